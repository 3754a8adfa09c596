"""Calendar covariates: values worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tsseq.data.calendar_covariates import calendar_columns, calendar_covariates
from tsseq.data.panel import Panel
from tsseq.data.scaling import Scaling
from tsseq.data.schema import Schema
from tsseq.data.time_rules import Sessions
from tsseq.data.timestamps import rule_for
from tsseq.errors import ConfigError

HOUR = ["calendar_hour_sin", "calendar_hour_cos"]
WEEKDAY = ["calendar_weekday_sin", "calendar_weekday_cos"]
YEAR = ["calendar_year_sin", "calendar_year_cos"]
MONTH = ["calendar_month_sin", "calendar_month_cos"]
HOLIDAYS = ["calendar_before_holiday", "calendar_after_holiday"]


def table(times, calendar=None):
    names, values = calendar_covariates(times, rule_for(calendar, times, times))
    return pd.DataFrame(values, times, list(names))


def sessions(first, last, code="XNYS"):
    rule = Sessions(code)
    times = rule.between(pd.Timestamp(first), pd.Timestamp(last))
    names, values = calendar_covariates(times, rule)
    return pd.DataFrame(values, times, list(names))


STEPS = {
    "minutes": (pd.date_range("2024", periods=9, freq="15min"), HOUR + WEEKDAY + YEAR),
    "hours": (pd.period_range("2024", periods=9, freq="h"), HOUR + WEEKDAY + YEAR),
    "days": (pd.date_range("2024", periods=9), WEEKDAY + YEAR),
    "days in a time zone": (pd.date_range("2024-03-28", periods=9, tz="Europe/Berlin"), WEEKDAY + YEAR),
    "business days": (pd.bdate_range("2024", periods=9), WEEKDAY + YEAR),
    "weeks": (pd.date_range("2024", periods=9, freq="W-WED"), YEAR),
    "months": (pd.date_range("2024", periods=9, freq="MS"), MONTH),
    "quarters": (pd.period_range("2024Q1", periods=9, freq="Q"), MONTH),
}


@pytest.mark.parametrize(("times", "want"), STEPS.values(), ids=STEPS)
def test_the_step_tells_what_is_worth_knowing(times, want):
    found = table(times)
    assert list(found) == want
    assert found.abs().max(axis=None) <= 1


def test_hours_are_local_and_skip_as_clocks_do():
    times = pd.date_range("2026-03-29 00:00", periods=4, freq="h", tz="Europe/Berlin")
    assert list(times.hour) == [0, 1, 3, 4]
    quarter, half = np.sqrt(0.5), np.sqrt(3) / 2
    assert_allclose(table(times)[HOUR], [[0, 1], [0.5 * (np.sqrt(6) - np.sqrt(2)) / 2, (np.sqrt(6) + np.sqrt(2)) / 4],
                                         [quarter, quarter], [half, 0.5]])  # fmt: skip


def test_an_hour_that_comes_twice_is_the_same_hour():
    times = pd.date_range("2026-10-25 01:00", periods=4, freq="h", tz="Europe/Berlin")
    assert list(times.hour) == [1, 2, 2, 3]
    found = table(times).to_numpy()
    assert_array_equal(found[1], found[2])


def test_minutes_count():
    assert_allclose(table(pd.date_range("2024-01-01 04:30", periods=3, freq="90min"))[HOUR].iloc[1], [1, 0], atol=1e-12)


def test_the_week_begins_on_monday():
    angle = 2 * np.pi * np.array([0, 1, 2, 3, 4, 5, 6, 0]) / 7
    found = table(pd.date_range("2024-01-01", periods=8))[WEEKDAY]
    assert_allclose(found, np.column_stack([np.sin(angle), np.cos(angle)]))


def test_the_year_has_its_own_number_of_days():
    found = table(pd.date_range("2023-12-30", periods=4))[YEAR]
    angle = 2 * np.pi * np.array([363 / 365, 364 / 365, 0, 1 / 366])
    assert_allclose(found, np.column_stack([np.sin(angle), np.cos(angle)]), atol=1e-12)


def test_a_quarter_is_a_quarter_of_a_turn():
    found = table(pd.date_range("2024-01-01", periods=4, freq="QS"))[MONTH]
    assert_allclose(found, [[0, 1], [1, 0], [0, -1], [-1, 0]], atol=1e-12)


class TestHolidays:
    def test_independence_day_in_the_middle_of_a_week(self):
        found = sessions("2024-06-28", "2024-07-09")
        assert found.index[found["calendar_before_holiday"] == 1].tolist() == [pd.Timestamp("2024-07-03")]
        assert found.index[found["calendar_after_holiday"] == 1].tolist() == [pd.Timestamp("2024-07-05")]

    def test_a_holiday_beside_a_weekend(self):
        found = sessions("2021-06-28", "2021-07-12")
        assert found.index[found["calendar_before_holiday"] == 1].tolist() == [pd.Timestamp("2021-07-02")]
        assert found.index[found["calendar_after_holiday"] == 1].tolist() == [pd.Timestamp("2021-07-06")]

    def test_a_week_without_holidays_has_none(self):
        assert (sessions("2024-08-05", "2024-08-20")[HOLIDAYS] == 0).all(axis=None)

    @pytest.mark.parametrize("day", ["2001-09-10", "2012-10-26", "2004-06-10"])
    def test_a_closure_that_nobody_foresaw_is_not_announced(self, day):
        assert sessions(day, day)["calendar_before_holiday"].item() == 0

    def test_a_weekend_on_friday_and_saturday_is_no_holiday(self, needs_exchange):
        needs_exchange("XTAE")
        found = sessions("2023-04-02", "2023-06-01", "XTAE")  # Passover, Memorial and Independence Day, Shavuot
        assert found.index[found["calendar_before_holiday"] == 1].strftime("%m-%d").tolist() == [
            "04-04", "04-10", "04-24", "05-24",
        ]  # fmt: skip

    def test_holidays_that_follow_the_moon_are_known(self):
        assert sessions("2024-02-08", "2024-02-08", "XSHG")["calendar_before_holiday"].item() == 1

    def test_business_days_have_none(self):
        assert not set(HOLIDAYS) & set(table(pd.bdate_range("2024-07-01", periods=9)))

    @pytest.mark.parametrize("day", ["2024-07-02", "2024-07-03", "2024-07-05", "2024-12-31"])
    def test_a_value_depends_on_its_day_alone(self, day):
        whole = sessions("2020-01-02", "2025-03-03")
        pd.testing.assert_frame_equal(sessions(day, day), whole.loc[[day]], check_freq=False)


@pytest.mark.parametrize("times", [pd.RangeIndex(9), pd.Index([3, 5, 7])], ids=repr)
def test_whole_numbers_have_no_calendar(times):
    with pytest.raises(ConfigError, match=r"known='calendar'.* need dates; the index holds int64"):
        table(times)


@pytest.mark.parametrize(
    "times", [pd.date_range("2000", periods=9, freq="YE"), pd.period_range("2000", "2009", freq="Y")]
)
def test_years_leave_nothing_to_say(times):
    with pytest.raises(ConfigError, match="steps of a year or more"):
        table(times)


def test_series_with_rules_of_their_own_share_names():
    sets = [
        rule.between(pd.Timestamp("2024-07-03"), pd.Timestamp("2024-07-05"))
        for rule in (Sessions("XNYS"), Sessions("XLON"))
    ]
    times, indptr = sets[0].append(sets[1]), np.array([0, 2, 5])
    names, values = calendar_columns(times, (Sessions("XNYS"), Sessions("XLON")), indptr)
    assert list(names) == WEEKDAY + YEAR + HOLIDAYS
    assert_array_equal(values[:, -2:], [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]])
    mixed = rule_for("D", sets[1], sets[1])
    names, values = calendar_columns(times, (Sessions("XNYS"), mixed), indptr)
    assert list(names) == WEEKDAY + YEAR + HOLIDAYS
    assert_array_equal(values[:, -2:], [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]])


class TestAPanel:
    DAYS = pd.date_range("2024-01-01", periods=9)

    def frame(self, **more):
        return pd.DataFrame({"y": np.arange(9.0), "promo": 1.0, **more}, self.DAYS)

    def test_it_computes_what_comes_behind_other_known_covariates(self):
        found = Panel.from_frame(self.frame(), Schema.of("y", known=["calendar", "promo"]))
        assert found.schema.known == ("promo",)
        assert found.schema.dynamic == ("y", "promo", *WEEKDAY, *YEAR)
        assert_array_equal(found.values[:, 2:], table(self.DAYS))

    def test_rows_to_come_have_them(self):
        found = Panel.from_frame(self.frame(), Schema.of("y", known=["calendar", "promo"])).extend(3)
        assert_array_equal(found.values[:, 2:], table(self.DAYS.union(pd.date_range("2024-01-10", periods=3))))
        assert np.isnan(found.values[-3:, :2]).all()

    def test_a_column_of_that_name_is_taken_as_it_is(self):
        found = Panel.from_frame(self.frame(calendar=7.0), Schema.of("y", known="calendar"))
        assert found.schema.calendar == ()
        assert_array_equal(found.values[:, 1], np.full(9, 7.0))

    def test_scaling_leaves_them_alone(self):
        found = Panel.from_frame(self.frame(), Schema.of("y", known="calendar"))
        scaling = Scaling.learn(found, "last", False, 2)
        assert_array_equal([scaling.centre, scaling.spread], [np.zeros(4), np.ones(4)])
