"""Translates with bergamot in a Python of its own: ``python3.10 bergamot_process.py EXTENSION CONFIG``.

Reads a JSON list of lines from each line of its input, and answers with the translations and the CPU seconds that they
took. The extension is loaded by its path, since the package around it asks a server for a list of models.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path


def main() -> None:
    spec = importlib.util.spec_from_file_location("_bergamot", sys.argv[1])
    bergamot = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bergamot)
    service = bergamot.Service(bergamot.ServiceConfig(numWorkers=1, cacheSize=0, logLevel="off"))
    model = service.modelFromConfig(Path(sys.argv[2]).read_text(encoding="utf-8"))
    options = bergamot.ResponseOptions(qualityScores=False, alignment=False, HTML=False)
    for line in sys.stdin:
        lines = bergamot.VectorString(json.loads(line))
        start = time.process_time()
        responses = service.translate(model, lines, options)
        seconds = time.process_time() - start
        print(json.dumps([[response.target.text for response in responses], seconds]), flush=True)


if __name__ == "__main__":
    main()
