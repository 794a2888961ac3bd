"""Mutants of grids, and of texts written on them."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a page that stands for more bytes than a page may",
        "puzzle/dense_text.py",
        "    if length > MOST_BYTES * len(pages):",
        "    if length > 4 * MOST_BYTES * len(pages):",
        ("test_text_layouts.py::test_forged_pages_with_right_parity_are_refused",),
    ),
    Mutant(
        "integers beyond the last grid are grids too",
        "puzzle/grid.py",
        "    if number >= _END:\n",
        "    if number > _END:\n",
        ("test_grid.py::test_the_first_integer_that_is_no_grid_is_refused",),
        cheap=True,
    ),
    Mutant(
        "error values with the wrong sign",
        "puzzle/reed_solomon.py",
        "repaired[places] = (repaired[places] - values) % PRIME",
        "repaired[places] = (repaired[places] + values) % PRIME",
        ("test_reed_solomon.py::test_up_to_half_the_parity_is_corrected",),
        cheap=True,
    ),
    Mutant(
        "no check sum behind the parity",
        "puzzle/dense_text.py",
        "if check_sum(text) != expected or len(text) != length:",
        "if len(text) != length:",
        ("test_text_layouts.py::test_a_check_sum_that_is_wrong_is_noticed_behind_the_parity",),
        cheap=True,
    ),
    Mutant(
        "pages in the order in which they were given",
        "puzzle/pages.py",
        "    return [found[number] for number in range(first.count)]",
        "    return list(pages)",
        ("test_text_layouts.py::test_long_texts_come_back_from_pages_in_any_order",),
    ),
    Mutant(
        "a page of any text",
        "puzzle/pages.py",
        "(page.kind, page.mark, page.count, page.tag) != (first.kind, first.mark, first.count, first.tag)",
        "(page.kind, page.mark, page.count) != (first.kind, first.mark, first.count)",
        ("test_text_layouts.py::test_a_missing_page_and_a_foreign_one_are_named",),
    ),
    Mutant(
        "the empty model is never tried",
        "puzzle/dense_text.py",
        "        if len(empty) < len(code):",
        "        if len(empty) < 0:",
        ("test_text_layouts.py::test_five_wrong_cells_are_repaired_and_more_are_never_a_wrong_text",),
    ),
    Mutant(
        "a page that teaches nothing",
        "puzzle/primed_model.py",
        "            page[key], page[key_1], page[key_2] = step[seen], step[seen_1], step[seen_2]\n",
        "",
        ("test_text_models.py::test_priming_pays_and_so_does_each_table",),
    ),
    Mutant(
        "rare contexts take the slots of frequent ones",
        "puzzle/priming.py",
        '        wins = wins[np.argsort(total[wins], kind="stable")]',
        '        wins = wins[np.argsort(-total[wins], kind="stable")]',
        ("test_text_models.py::test_frequent_contexts_keep_their_slots",),
    ),
    Mutant(
        "texts that judge prime too",
        "puzzle/collect_texts.py",
        "content = source.content if source.judged else judged.without(source.content)",
        "content = source.content",
        ("test_texts.py::test_texts_are_written_with_their_provenance_and_come_back",),
        cheap=True,
    ),
    Mutant(
        "quotations over the end of a paragraph stay",
        "puzzle/separation.py",
        "                kept[place] = kept[place + 1] = False",
        "                pass",
        ("test_texts.py::test_a_run_over_the_end_of_a_paragraph_is_noticed",),
        cheap=True,
    ),
    Mutant(
        "other words are taken for the own ones",
        "puzzle/pages.py",
        '    if found != expected:\n        raise GridError(\n            f"written with other',
        '    if False:\n        raise GridError(\n            f"written with other',
        ("test_text_layouts.py::test_another_artifact_is_named",),
    ),
)
