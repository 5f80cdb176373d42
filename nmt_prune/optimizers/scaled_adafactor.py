"""Adafactor with steps relative to the size of each parameter, under a learning rate schedule: ``scaled_adafactor``.

fairseq's ``adafactor`` stores the scaled rate of one parameter where it reads the rate of the next, so that
``--scale-parameter`` multiplies the scales of all parameters up; and ``--relative-step``, which does not, refuses the
``--lr`` that fairseq always passes. With a parameter group for each parameter the rate is scaled once, as in
tensor2tensor.
"""

from typing import Any

from fairseq.optim import register_optimizer
from fairseq.optim.adafactor import FairseqAdafactor


@register_optimizer("scaled_adafactor")
class ScaledAdafactor(FairseqAdafactor):
    """fairseq's Adafactor and its flags; ``--scale-parameter`` is always on."""

    def __init__(self, args: Any, params: Any) -> None:
        super().__init__(args, [{"params": [parameter]} for parameter in params])

    def step(self, *arguments: Any, **settings: Any) -> None:
        """Takes a step; the rates stay the schedule's, where fairseq leaves those of the last parameter."""
        rates = [group["lr"] for group in self.param_groups]
        super().step(*arguments, **settings)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """Settings that also overrule those of a checkpoint."""
        return {**super().optimizer_config, "scale_parameter": True}
