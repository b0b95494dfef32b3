"""Every type that an output may have: right at every cut, and in the end what pydantic makes of the whole."""

from __future__ import annotations

import pytest

from tests.partials.outputs import OUTPUTS
from tests.partials.reading import check


@pytest.mark.parametrize('name', OUTPUTS)
def test_a_valid_document_is_right_at_every_cut(name: str) -> None:
    kind, documents = OUTPUTS[name]
    for text in documents:
        check(kind, text)
