"""A tensor of a compact file, decoded when asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.storage.coding.records import count
from nmt_prune.storage.coding.streams import DamagedError
from nmt_prune.storage.format.encoding import decode, shape_of
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.stored_tensor import Csr


@dataclass(frozen=True)
class EncodedTensor:
    """Bytes and how to decode them. Every method that decodes raises PruneError where they are damaged.

    Attributes:
        source: file and tensor, for messages.
        record: see :func:`nmt_prune.storage.format.encoding.decode`.
        data: the bytes.
    """

    source: str
    record: Mapping[str, Any]
    data: bytes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return shape_of(self.record)

    @property
    def kept(self) -> int:
        """Number of kept elements, as stated."""
        return count(self.record, "kept", int(np.prod(self.shape)))

    def decoded(self) -> KeptValues:
        """Decodes it.

        Raises:
            PruneError: the bytes are damaged.
        """
        try:
            return decode(self.record, self.data)
        except DamagedError as error:
            raise PruneError(f"{self.source} is damaged: {error}; copy or pack the file again") from None

    def dense(self) -> npt.NDArray[np.float32]:
        """The tensor, float32."""
        return self.decoded().dense()

    def csr(self) -> Csr:
        """A matrix's rows, values in the type in which they are stored."""
        return self.decoded().csr()


def decoded(tensor: Any) -> KeptValues:
    """Any stored tensor in memory."""
    if isinstance(tensor, KeptValues):
        return tensor
    return tensor.decoded() if isinstance(tensor, EncodedTensor) else KeptValues.of(tensor.dense())
