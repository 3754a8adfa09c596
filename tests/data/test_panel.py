"""Panel: series in order, cut, extended and laid out again as they came."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from tsseq import Forecaster, LastValue
from tsseq.data.panel import Panel, followed
from tsseq.data.schema import Schema
from tsseq.errors import ConfigError, DataError, NotEnoughHistory

DAYS = pd.date_range("2024-01-01", periods=20, name="day")


def frame_of(**lengths):
    numbers = np.arange(20.0)
    series = {
        name: pd.DataFrame({"y": numbers[:n], "x": -numbers[:n], "s": float(n)}, DAYS[:n])
        for name, n in lengths.items()
    }
    return pd.concat(series, names=["id", "day"])


def panel_of(frame=None, calendar=None, **roles):
    frame = frame_of(c=5, a=8, b=3) if frame is None else frame
    return Panel.from_frame(frame, Schema.of(**roles or {"target": "y", "past": "x", "static": "s"}), calendar)


def test_series_lie_one_after_another_in_the_order_of_their_ids():
    panel = panel_of()
    assert panel.ids.tolist() == ["a", "b", "c"]
    assert panel.indptr.tolist() == [0, 8, 11, 16]
    assert panel.lengths.tolist() == [8, 3, 5]
    assert panel.input_order.tolist() == [1, 2, 0]
    assert len(panel) == 3
    assert panel.series_of_row.tolist() == [0] * 8 + [1] * 3 + [2] * 5
    assert panel.values[:, 0].tolist() == [*range(8), *range(3), *range(5)]
    assert panel.values[:, 1].tolist() == (-panel.values[:, 0]).tolist()
    assert panel.static.ravel().tolist() == [8, 3, 5]
    assert panel.times.tolist() == [*DAYS[:8], *DAYS[:3], *DAYS[:5]]


@given(order=st.permutations(range(16)))
def test_rows_in_any_order_give_the_same_panel(order):
    panel, other = panel_of(), panel_of(frame_of(c=5, a=8, b=3).iloc[order])
    for name in ("values", "static", "indptr"):
        np.testing.assert_array_equal(getattr(panel, name), getattr(other, name))
    assert panel.times.equals(other.times)
    assert panel.ids.equals(other.ids)


@given(order=st.permutations(range(16)), apart=st.sampled_from([1, 40]))
def test_series_that_share_no_timestamp_are_ordered_too(order, apart):
    frame = frame_of(c=5, a=8, b=3).reset_index()
    frame["day"] += pd.to_timedelta(apart * frame["id"].map({"a": 2, "b": 0, "c": 1}), unit="D")
    roles = {"target": "y", "past": "x", "static": "s", "id_column": "id", "time_column": "day"}
    panel, other = panel_of(frame, **roles), panel_of(frame.iloc[order], **roles)
    assert panel.ids.equals(other.ids)
    assert panel.times.equals(other.times)
    np.testing.assert_array_equal(panel.values, other.values)


@pytest.mark.parametrize("apart", [0, 400])
def test_a_timestamp_that_occurs_twice_is_named_in_any_order(apart):
    frame = pd.concat([frame_of(c=5, a=8, b=3).reset_index()] * 2).iloc[:18]
    frame["day"] += pd.to_timedelta(apart * (frame["id"] == "c"), unit="D")
    frame = frame.sample(frac=1, random_state=0)
    culprit = f"'c' {DAYS[0] + pd.Timedelta(days=apart)}"
    with pytest.raises(DataError, match=rf"2 timestamps occur more than once \(first: {culprit}, 'c'"):
        panel_of(frame, target="y", past="x", static="s", id_column="id", time_column="day")


def test_a_value_that_is_not_a_number_is_found_where_it_stands():
    frame = frame_of(c=5, a=8, b=3).astype({"y": object})
    frame.iloc[2, 0] = "many"
    with pytest.raises(DataError, match=rf"first: 'many' at 'c' {DAYS[2]}"):
        panel_of(frame.sample(frac=1, random_state=0))


def test_what_was_known_at_a_cutoff_is_what_is_dated_up_to_it():
    cut = panel_of().before(DAYS[3])
    assert cut.lengths.tolist() == [4, 3, 4]
    assert cut.times.max() == DAYS[3]
    assert cut.values[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3]
    assert panel_of().before(pd.Timestamp("2023-12-31")).lengths.tolist() == [0, 0, 0]


def test_the_tail_is_the_end_of_every_series():
    tail = panel_of().tail(4)
    assert tail.lengths.tolist() == [4, 3, 4]
    assert tail.values[:, 0].tolist() == [4, 5, 6, 7, 0, 1, 2, 1, 2, 3, 4]


def test_short_series_are_left_out_with_all_that_belongs_to_them():
    long = panel_of().with_min_length(4)
    assert long.ids.tolist() == ["a", "c"]
    assert long.static.ravel().tolist() == [8, 5]
    assert long.indptr.tolist() == [0, 8, 13]
    out = long.to_frame(long.indptr[1:] - 1, {"y": np.array([1.0, 2.0])})
    assert out.index.tolist() == [("c", DAYS[4]), ("a", DAYS[7])]
    assert out["y"].tolist() == [2.0, 1.0]


def test_short_series_are_left_out_with_their_calendars():
    mixed = panel_of(calendar={"a": "D", "b": "D", "c": "D"})
    assert len(mixed.rules) == 3
    assert len(mixed.with_min_length(4).rules) == 2
    assert mixed.with_min_length(4).extend(1).times[-1] == DAYS[5]


def test_extending_adds_the_next_timestamps_without_values():
    longer = panel_of().extend(2)
    assert longer.lengths.tolist() == [10, 5, 7]
    ends = longer.indptr[1:]
    assert longer.times[ends - 1].tolist() == [DAYS[9], DAYS[4], DAYS[6]]
    new = np.isnan(longer.values).all(axis=1)
    assert np.flatnonzero(new).tolist() == [8, 9, 13, 14, 20, 21]
    np.testing.assert_array_equal(longer.values[~new], panel_of().values)


def test_every_series_is_filled_up_in_front_with_missing_rows():
    panel = panel_of(frame_of(c=5, a=2, b=3))
    full = panel.left_padded(4)
    assert full.lengths.tolist() == [4, 4, 5]
    expected = [np.nan, np.nan, 0, 1, np.nan, 0, 1, 2, 0, 1, 2, 3, 4]
    np.testing.assert_array_equal(full.values, np.column_stack([expected, np.negative(expected)]))
    assert full.times.tolist() == [DAYS[i] for i in [0, 0, 0, 1, 0, 0, 1, 2, 0, 1, 2, 3, 4]]
    assert full.tail(2).values[:, 0].tolist() == panel.tail(2).values[:, 0].tolist()
    assert panel.left_padded(2) is panel


def test_a_repeated_panel_is_the_same_panel_several_times():
    panel = panel_of()
    many = panel.tiled(3)
    assert many.lengths.tolist() == panel.lengths.tolist() * 3
    assert many.ids.tolist() == panel.ids.tolist() * 3
    assert many.times.tolist() == panel.times.tolist() * 3
    np.testing.assert_array_equal(many.values, np.tile(panel.values, (3, 1)))
    np.testing.assert_array_equal(many.static, np.tile(panel.static, (3, 1)))
    assert many.extend(2).times[-2:].tolist() == panel.extend(2).times[-2:].tolist()


def test_a_series_without_rows_cannot_be_extended():
    late = pd.concat([frame_of(a=8), frame_of(b=8).loc[(slice(None), slice(DAYS[5], None)), :]])
    with pytest.raises(DataError, match=r"series 'b' has no rows to continue"):
        panel_of(late).before(DAYS[4]).extend(1)


@pytest.mark.parametrize(
    "write",
    [lambda frame: frame, lambda frame: frame.swaplevel(), lambda frame: frame.reset_index()],
    ids=["id first", "time first", "long"],
)
def test_a_panel_laid_out_again_is_the_frame_that_it_came_from(write):
    frame = write(frame_of(c=5, a=8, b=3))
    roles = {"id_column": "id", "time_column": "day"} if "id" in frame else {}
    panel = panel_of(frame, target=["y", "x"], **roles)
    out = panel.to_frame(np.arange(16), {"y": panel.values[:, 0], "x": panel.values[:, 1]})
    assert_frame_equal(out, frame.drop(columns="s"))


def test_a_single_series_laid_out_again_is_the_series():
    series = pd.Series(np.arange(20.0), DAYS, name="y")
    panel = Panel.from_frame(series, Schema())
    assert_series_equal(panel.to_frame(np.arange(20), {"y": panel.values[:, 0]})["y"], series)


@pytest.mark.parametrize("outer_price", [True, False])
def test_a_yahoo_frame_laid_out_again_is_the_frame(outer_price):
    frame = pd.concat(
        {"y": frame_of(c=20, a=20)["y"].unstack("id"), "x": frame_of(c=20, a=20)["x"].unstack("id")}, axis=1
    )
    frame = frame.rename_axis(columns=["Price", "Ticker"])
    frame = frame if outer_price else frame.swaplevel(axis=1).sort_index(axis=1)[["a", "c"]]
    panel = Panel.from_frame(frame, Schema.of(target=["y", "x"]))
    out = panel.to_frame(np.arange(40), {"y": panel.values[:, 0], "x": panel.values[:, 1]})
    assert_frame_equal(out[frame.columns], frame, check_freq=False)


def test_values_of_every_numeric_type_are_read():
    frame = pd.DataFrame(
        {"y": np.arange(20), "int": np.arange(20, dtype="uint8"), "float": np.arange(20, dtype="float32")}, DAYS
    )
    frame = frame.assign(
        nullable=pd.array([None, *range(19)], "Int64"), flag=np.arange(20) > 9, maybe=pd.array([None, *[True] * 19])
    )
    frame["object"] = pd.Series([None, *range(19)], DAYS, dtype=object)
    panel = Panel.from_frame(frame, Schema.of("y", past=list(frame.columns[1:])))
    assert panel.values.dtype == np.float64
    assert panel.values[19].tolist() == [19, 19, 19, 18, 1, 1, 18]
    assert np.isnan(panel.values[0]).tolist() == [False, False, False, True, False, True, True]


def test_static_values_may_be_missing_in_some_rows_or_in_all():
    frame = frame_of(a=8, b=3)
    frame.iloc[[0, 3], 2] = np.nan
    frame.loc["b", "s"] = np.nan
    np.testing.assert_array_equal(panel_of(frame).static.ravel(), [8, np.nan])


def test_a_panel_cut_before_one_of_its_series_begins_is_too_short_to_fit():
    late = pd.concat([frame_of(a=20), frame_of(b=20).loc[(slice(None), slice(DAYS[15], None)), :]])
    model = Forecaster(LastValue(), 2, 3, target="y")
    with pytest.raises(NotEnoughHistory, match=r"1 series .* \(first: 'b' 0\)"):
        model.fit(model.to_panel(late).before(DAYS[12]))


def test_the_sources_of_a_panel_are_not_modified():
    frame, untouched = frame_of(c=5, a=8), frame_of(c=5, a=8)
    panel = panel_of(frame)
    panel.extend(3).tail(2).before(DAYS[3])
    panel.values[:] = -1
    assert_frame_equal(frame, untouched)


class TestSchema:
    def test_a_name_is_a_list_of_one(self):
        assert Schema.of("y", past="x") == Schema.of(["y"], past=("x",)) == Schema.of(pd.Index(["y"]), past=["x"])

    def test_channels_are_targets_then_past_then_known(self):
        schema = Schema.of(["b", "a"], past="p", known=["k", "j"], static="s")
        assert schema.dynamic == ("b", "a", "p", "k", "j")
        assert schema.covariates == ("p", "k", "j")

    @pytest.mark.parametrize(
        ("columns", "want"),
        [(["price"], "price"), (["k", "price"], "price"), (["x", "y", "k"], "y")],
        ids=["the only one", "the only one that is no covariate", "y"],
    )
    def test_a_target_left_out_is_found(self, columns, want):
        assert Schema.of(known="k" if "k" in columns else None).resolve(pd.Index(columns)).target == (want,)

    def test_several_candidates_are_listed(self):
        with pytest.raises(ConfigError, match=r"target=.*the frame has 0, 1, 2, 3, 4, 5, 6, 7 and 4 more"):
            Schema().resolve(pd.RangeIndex(12))

    def test_numbers_may_be_names(self):
        assert Schema.of(0, past=[1, 2]).resolve(pd.RangeIndex(3)).dynamic == (0, 1, 2)


def joined(older, newer, **roles):
    first = Panel.from_frame(older, Schema.of("y", **roles), "D")
    return followed(first, Panel.from_frame(newer, Schema.of("y", **roles), "D", first))


def rows_of(ids, first, last):
    days = pd.date_range("2024-01-01", periods=30, name="day")[first:last]
    numbers = np.arange(first, last)
    table = {name: pd.DataFrame({"y": numbers + 100.0 * ord(name), "size": ord(name)}, days) for name in ids}
    return pd.concat(table, names=["id"])


def test_newer_rows_follow_older_ones_series_by_series():
    whole = joined(rows_of("ba", 0, 10), rows_of("ca", 10, 15), static="size")
    assert (whole.ids.tolist(), whole.lengths.tolist()) == (["a", "b", "c"], [15, 10, 5])
    assert whole.static[:, 0].tolist() == [97, 98, 99]
    assert whole.values[:15, 0].tolist() == rows_of("a", 0, 15)["y"].tolist()
    frame = whole.to_frame(np.arange(len(whole.times)), {"y": whole.values[:, 0]})
    assert frame.index.unique("id").tolist() == ["b", "a", "c"]  # those that were there first


def test_static_values_are_those_of_the_newer_frame_where_it_has_the_series():
    whole = joined(rows_of("ab", 0, 10), rows_of("ac", 10, 15).assign(size=[1.0] * 5 + [2.0] * 5), static="size")
    assert whole.static[:, 0].tolist() == [1, 98, 2]


@pytest.mark.parametrize(("first", "n_rows"), [(5, 20), (10, 20), (0, 20), (11, 9)])
def test_rows_that_overlap_give_way_and_rows_before_a_gap_are_left(first, n_rows):
    whole = joined(rows_of("a", 0, 10), rows_of("a", first, 20))
    assert len(whole.times) == n_rows
    assert whole.values[-1, 0] == 100 * ord("a") + 19


def test_weights_follow_too():
    old, new = rows_of("a", 0, 10).assign(w=2.0), rows_of("a", 10, 12).assign(w=3.0)
    assert joined(old, new, weight="w").weight.tolist() == [2.0] * 10 + [3.0] * 2
