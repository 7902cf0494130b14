from benchmarks.dialects import TEXTS, by_trueline, is_right


def test_trueline_reads_each_text_as_it_is_meant():
    assert [name for name, text, expected in TEXTS if not is_right(by_trueline, text, expected)] == []
