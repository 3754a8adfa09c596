"""Columns as numbers or as codes of categories, whatever dtype holds them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from tsseq.data.columns import Classes, categories_of, dummies, recoded
from tsseq.data.panel import Panel
from tsseq.data.scaling import Scaling
from tsseq.data.schema import Schema
from tsseq.data.windows import Windows, layout_for
from tsseq.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=6, name="day")
SKY = ["snow", "rain", None, "snow", "fog", "rain"]


def frame(sky=SKY, **more):
    return pd.DataFrame({"y": np.arange(6.0), "sky": sky, **more}, DAYS)


def panel(sky=SKY, like=None, role="past"):
    return Panel.from_frame(frame(sky), Schema.of("y", **{role: "sky"}), like=like)


HOLDERS = {
    "text": pd.Series(SKY, dtype="str"),
    "objects": pd.Series(SKY, dtype=object),
    "nullable text": pd.Series(SKY, dtype="string"),
    "categories": pd.Series(SKY, dtype="category"),
    "categories of objects": pd.Series(pd.Categorical(SKY, pd.Index(["fog", "hail", "rain", "snow"], dtype=object))),
}


@pytest.mark.parametrize("sky", HOLDERS.values(), ids=HOLDERS)
def test_categories_are_numbered_from_one_in_sorted_order_whatever_holds_them(sky):
    found = panel(sky.array)
    assert found.categories[0].tolist() == ["fog", "rain", "snow"]
    assert_array_equal(found.values[:, 1], [3, 2, 0, 3, 1, 2])


def test_a_categorical_dtype_keeps_its_order_and_loses_what_does_not_occur():
    sky = pd.Categorical(SKY, ["snow", "hail", "rain", "fog"], ordered=True)
    assert categories_of(pd.Series(sky)).tolist() == ["snow", "rain", "fog"]
    assert_array_equal(panel(sky).values[:, 1], [1, 2, 0, 1, 3, 2])


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([3, 1, None, 3, 1, 1], [1, 3]),
        ([2.5, 0.5, 2.5, 0.5, None, 0.5], [0.5, 2.5]),
        ([True, False, None, True, True, False], [False, True]),
    ],
)
def test_numbers_are_categories_when_their_dtype_says_so(values, want):
    assert panel(pd.Categorical(values)).categories[0].tolist() == want
    assert panel(pd.Series(values, dtype=object).array).categories == ()


@pytest.mark.parametrize("role", ["past", "known", "static"])
def test_text_among_numbers_is_refused_with_what_to_do(role):
    message = r"'sky' \(object\) is not numeric: 1 values.*'n/a' at 2024-01-05.*\.astype\('category'\)"
    with pytest.raises(DataError, match=message):
        panel(pd.Series([1, 2, 3, 4, "n/a", 6], dtype=object).array, role=role)
    with pytest.raises(DataError, match=r"is not numeric.*'7'.*\.astype\('category'\)"):
        panel(["7", "8", "x", "7", "8", "9"], role=role)


@pytest.mark.parametrize("sky", [pd.date_range("2024", periods=6), np.arange(6) * 1j], ids=["dates", "complex"])
def test_other_values_are_no_categories(sky):
    with pytest.raises(DataError, match="is not numeric"):
        panel(sky)


@pytest.mark.parametrize("sky", HOLDERS.values(), ids=HOLDERS)
def test_categories_of_a_target_are_numbered_from_zero_and_come_back_in_their_dtype(sky):
    given = frame(sky.array)
    found = Panel.from_frame(given, Schema.of("sky"))
    assert found.classes.values.tolist() == ["fog", "rain", "snow"]
    assert_array_equal(found.values[:, 0], [2, 1, np.nan, 2, 0, 1])
    column = pd.Series(found.classes.column(found.values[:, 0]))
    assert column.astype(object).where(column.notna(), None).tolist() == SKY
    unused = "hail" in getattr(sky.dtype, "categories", [])
    assert (column.dtype == given["sky"].dtype) is not unused


@pytest.mark.parametrize("sky", HOLDERS.values(), ids=HOLDERS)
def test_targets_that_must_be_numbers_are_refused_as_text(sky):
    with pytest.raises(DataError, match=r"'sky' \(.*\) is not numeric"):
        Panel.from_frame(frame(sky.array), Schema.of("sky"), categorical=False)
    with pytest.raises(DataError, match=r"'sky' \(.*\) is not numeric"):
        Panel.from_prices(frame(sky.array), "sky")


def test_a_target_of_later_frames_is_of_the_categories_of_fit():
    fitted = Panel.from_frame(frame(), Schema.of("sky"))
    later = Panel.from_frame(frame(["fog", "hail", "fog", None, "snow", "hail"]), Schema.of("sky"), like=fitted)
    assert later.classes.values.tolist() == ["fog", "hail", "snow", "rain"]
    assert_array_equal(later.with_classes(fitted.classes).values[:, 0], [0, np.nan, 0, np.nan, 2, np.nan])
    assert later.with_observed_categories().classes.values.tolist() == ["fog", "hail", "snow"]
    state = Panel.from_state(later.to_state())
    assert state.classes.values.tolist() == later.classes.values.tolist()


class TestALaterFrame:
    def test_its_codes_are_those_of_fit(self):
        fitted = panel()
        later = panel(["hail", "snow", "rain", None, "fog", "snow"], like=fitted).recoded(fitted.categories)
        assert_array_equal(later.values[:, 1], [0, 3, 2, 0, 1, 3])
        assert later.categories == fitted.categories

    def test_until_then_it_keeps_categories_of_its_own(self):
        assert "hail" in panel(["hail"] * 6, like=panel()).categories[0]

    @pytest.mark.parametrize("sky", [[None] * 6, [np.nan] * 6], ids=["objects", "numbers"])
    def test_it_may_lack_all_of_them(self, sky):
        fitted = panel()
        assert_array_equal(panel(sky, like=fitted).recoded(fitted.categories).values[:, 1], np.zeros(6))

    def test_text_that_reads_as_numbers_is_a_category_where_it_was_one(self):
        fitted = panel(pd.Categorical(["7", "8", "x", "7", "8", "9"]))
        later = panel(["9", "9", "7", "7", "8", "8"], like=fitted).recoded(fitted.categories)
        assert_array_equal(later.values[:, 1], [3, 3, 1, 1, 2, 2])

    def test_whole_numbers_find_themselves_in_any_dtype(self):
        fitted = panel(pd.Categorical([5, 6, 7, 5, 6, 7]))
        later = panel([7.0, 5.0, np.nan, 6.0, 8.0, 5.0], like=fitted).recoded(fitted.categories)
        assert_array_equal(later.values[:, 1], [3, 1, 0, 2, 0, 1])

    def test_numbers_in_the_place_of_text_are_refused(self):
        fitted = panel()
        with pytest.raises(DataError, match=r"'sky' held categories such as 'fog' in fit, and now 0"):
            panel(np.arange(6), like=fitted).recoded(fitted.categories)

    def test_text_in_the_place_of_numbers_is_refused(self):
        with pytest.raises(DataError, match=r"'sky'.*is not numeric"):
            panel(like=panel(np.arange(6)))
        with pytest.raises(DataError, match="'sky' held numbers in fit, and categories now"):
            panel().recoded(())
        with pytest.raises(DataError, match="'sky' held categories in fit, and numbers now"):
            panel(np.arange(6)).recoded(panel().categories)


def test_only_what_occurs_before_a_cutoff_is_a_category_there():
    early = panel().before(DAYS[2]).with_observed_categories()
    assert early.categories[0].tolist() == ["rain", "snow"]
    assert_array_equal(early.values[:, 1], [2, 1, 0])


def test_rows_to_come_have_no_code_yet():
    assert np.isnan(panel(role="known").extend(2).values[-2:, 1]).all()


def test_a_static_category_is_one_per_series_and_a_change_is_named():
    names = ["id", "day"]
    shops = pd.concat({"b": frame(["city"] * 6), "a": frame([None, "town"] * 3), "c": frame([None] * 6)}, names=names)
    found = Panel.from_frame(shops, Schema.of("y", static="sky"))
    assert_array_equal(found.static, [[2], [1], [0]])
    with pytest.raises(DataError, match=r"'sky' of 'a' goes from 'fog' to 'snow'"):
        Panel.from_frame(pd.concat({"a": frame()}, names=names), Schema.of("y", static="sky"))


def test_unknown_codes_stay_missing_ones_stay():
    ours, wanted = pd.Index(["a", "b", "c"]), pd.Index(["c", "a"])
    assert_array_equal(recoded(np.array([0, 1, 2, 3, np.nan]), ours, wanted, "x"), [0, 2, 0, 1, np.nan])


def test_dummies_have_a_column_for_every_category():
    values = np.array([[1.5, 2.0], [2.5, 0.0], [np.nan, np.nan]])
    want = [[1.5, 0, 1, 0], [2.5, 0, 0, 0], [np.nan, np.nan, np.nan, np.nan]]
    assert_array_equal(dummies(values, (0, 3)), want)


def test_scaling_leaves_codes_alone():
    both = Panel.from_frame(frame(x=np.arange(6.0) * 10), Schema.of("y", past=["x", "sky"]))
    scaling = Scaling.learn(both, "last", False, 1)
    assert_array_equal(scaling.centre, [25, 0])
    assert_array_equal(scaling.spread, [np.std(np.arange(6.0) * 10), 1])


def test_rows_hold_codes_or_columns_of_zero_and_one_as_their_layout_says():
    found = panel(role="known")
    scaling = Scaling.learn(found, "none", False, 2)
    codes, flags = (layout_for(found, 3, 2, False, codes) for codes in (True, False))
    assert (codes.categories, codes.n_known, flags.categories, flags.n_known) == ((3,), 1, (), 3)
    assert_array_equal(np.asarray(Windows.of(found, codes, scaling))[0], [0, 1, 2, 3, 2, 0, 3, 1])
    fog, rain, snow = [0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [1, 0, 0, 1, 0]
    assert_array_equal(np.asarray(Windows.of(found, flags, scaling))[0], [0, 1, 2, *fog, *rain, *snow])


def test_codes_of_classes_are_those_of_others_where_they_have_them():
    weather, winter = (Classes.of(pd.Series(names)) for names in (["fog", "rain", "sun"], ["rain", "snow", "sun"]))
    assert_array_equal(weather.recoded(np.array([2.0, np.nan, 0.0, 1.0]), winter), [2.0, np.nan, np.nan, 0.0])
