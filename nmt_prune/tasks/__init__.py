"""fairseq tasks of the plugin."""

from importlib import import_module

for _name in ("pydantic", "safetensors"):  # what fairseq itself does not bring, where a checkout is given as --user-dir
    try:
        import_module(_name)
    except ModuleNotFoundError:
        raise SystemExit(f"nmt-prune: error: --user-dir needs {_name}, which is missing; pip install {_name}") from None
