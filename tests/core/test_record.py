"""The record: appended once, ended once, read by whoever likes."""

from __future__ import annotations

import pytest

from pydantic_ai_streaming.core.record import Record


class Signal:
    def __init__(self, *, gone: bool = False) -> None:
        self.times_set = 0
        self.gone = gone

    def done(self) -> bool:
        return self.gone or self.times_set > 0

    def set_result(self, result: None, /) -> None:
        assert not self.gone, 'nobody waits for it any more'
        self.times_set += 1


def test_a_signal_is_set_by_the_next_change_and_then_forgotten() -> None:
    record, signal = Record[str](), Signal()
    record.watch(signal)
    record.append('one', now=1)
    record.append('two', now=2)
    assert signal.times_set == 1


def test_a_signal_whose_reader_has_gone_is_left_alone() -> None:
    record = Record[str]()
    record.watch(Signal(gone=True))
    record.append('one', now=1)


def test_the_end_sets_signals_too() -> None:
    record, signal = Record[str](), Signal()
    record.watch(signal)
    record.close(now=3)
    assert signal.times_set == 1
    assert record.closed_at == 3


def test_a_signal_that_was_taken_back_is_not_set() -> None:
    record, signal = Record[str](), Signal()
    record.watch(signal)
    record.unwatch(signal)
    record.unwatch(signal)
    record.append('one', now=1)
    assert signal.times_set == 0


def test_a_signal_that_watches_again_while_it_is_set_is_not_lost() -> None:
    record = Record[str]()

    class Again(Signal):
        def set_result(self, result: None, /) -> None:
            super().set_result(result)
            record.watch(later)

    later = Signal()
    record.watch(Again())
    record.append('one', now=1)
    assert later.times_set == 0
    record.append('two', now=2)
    assert later.times_set == 1


def test_the_first_end_counts() -> None:
    record, error = Record[str](), ValueError('first')
    record.close(error, now=1)
    record.close(ValueError('second'), now=2)
    assert (record.error, record.closed_at) == (error, 1)


def test_nothing_can_be_appended_after_the_end() -> None:
    record = Record[str]()
    record.close(now=1)
    with pytest.raises(ValueError, match='closed'):
        record.append('late', now=2)


def test_a_signal_for_later_is_set_when_the_record_is_that_long_or_over() -> None:
    class Noted:
        def __init__(self) -> None:
            self.lengths: list[int] = []

        def done(self) -> bool:
            return bool(self.lengths)

        def set_result(self, result: None, /) -> None:
            self.lengths.append(len(record))

    record = Record[int]()
    third, fifth, never = Noted(), Noted(), Noted()
    for signal, at in ((fifth, 5), (third, 3), (never, 99)):
        record.watch_later(signal, at)
    for number in range(6):
        record.append(number, now=float(number))
    assert (third.lengths, fifth.lengths, never.lengths) == ([3], [5], [])
    record.close(now=9.0)
    record.close(now=9.0)
    assert (third.lengths, fifth.lengths, never.lengths) == ([3], [5], [6])
