"""Every heading of the five documents that the course goes through is taught by a lesson, or left with a reason.

The documents are not part of this repository. They are looked for in `../shared/seeds`, or where `SEEDS` says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydantic_ai_streaming.course.contents import Document, read_course

ROOT = Path(__file__).parents[2]
SEEDS = Path(os.environ.get('SEEDS', ROOT.parent / 'shared' / 'seeds'))
COURSE = read_course(ROOT / 'lessons')


def headings(document: Document) -> list[str]:
    files = sorted(SEEDS.glob(f'{document.name}_*.txt'))
    if not files:
        pytest.skip(f'no document {document.name} in {SEEDS}: set SEEDS to their folder')
    return list(without_code(files[0].read_text('utf-8')))


def without_code(text: str) -> Iterator[str]:
    in_code = False
    for line in text.splitlines():
        if line.startswith('```'):
            in_code = not in_code
        elif not in_code and (match := re.fullmatch(r'#+ +(.*)', line)):
            yield match[1]


def stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r'\w+', text.lower().replace('_', ' ').replace('-', ' ')) if len(word) > 1}


@pytest.mark.parametrize('document', COURSE.documents, ids=lambda document: document.name)
def test_every_heading_is_taught_or_left_with_a_reason(document: Document) -> None:
    found = headings(document)
    assert len(found) == len(document.sections), 'a section for each heading, in order'
    for heading, section in zip(found, document.sections, strict=True):
        assert stems(heading) & stems(section.about), f'{section.about!r} is to be about {heading!r}'


def test_all_documents_are_gone_through() -> None:
    assert [document.name for document in COURSE.documents] == ['000', '001', '002', '003', '004']


def test_the_lessons_that_teach_are_lessons_or_will_be() -> None:
    names = {entry.name for entry in COURSE.entries}
    for document in COURSE.documents:
        for section in document.sections:
            assert section.left or section.lesson in names, f'{section.about!r} is taught by {section.lesson!r}'


def test_the_first_document_is_taught_in_its_order() -> None:
    lessons = [section.lesson for document in COURSE.documents[1:2] for section in document.sections]
    assert lessons == sorted(lessons)
