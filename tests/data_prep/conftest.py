import pytest


@pytest.fixture(autouse=True, scope="module")
def _fairseq_starts_at_once(fairseq_starts_at_once):
    """Every data folder is binarized by fairseq; how it is really started is shown by test_wmt14_data_folder."""
