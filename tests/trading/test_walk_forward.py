"""Choices on the past only: what is known at each, what follows from it, and what it protects from."""

import numpy as np
import pandas as pd
import pytest

import tsseq
from tsseq.errors import ConfigError, DataError
from tsseq.trading import Costs, probability_of_overfitting, simulate, sweep, to_weights, walk_forward
from tsseq.trading.price_table import read_prices
from tsseq.trading.statistics import STATISTICS, sharpe, total_return
from tsseq.trading.weighting import WeightingRule

MONEY = {"costs": Costs(bps=10, slippage_bps=5, borrow_bps=100), "cash_rate": 0.02}
THRESHOLDS = {"rule": ["threshold"], "threshold": [0.0, 0.01, 0.02], "allow_short": [True, False]}
TOP = {"rule": ["top_k"], "k": [1, 2, 3], "no_trade_band": [0.0, 0.1]}


def walk(seed, n_bars=400, n_assets=1, freq="D"):
    moves = np.random.default_rng(seed).normal(0, 0.01, (n_bars, n_assets))
    names = ["close"] if n_assets == 1 else [f"asset {number}" for number in range(n_assets)]
    days = pd.date_range("2020-01-01", periods=n_bars, freq=freq)
    return pd.DataFrame(100 * np.exp(moves.cumsum(axis=0)), days, names)


def momentum(closes, n_bars=5):
    return closes.pct_change(n_bars, fill_method=None).iloc[n_bars:]


def rules_of(signal, prices):
    """The rules of a grid as a function of the parameters."""

    def weights(**parameters):
        rule = WeightingRule(**parameters)
        return pd.DataFrame(rule.weights(signal, read_prices(prices)), signal.index, signal.columns)

    return weights


def crossing(closes):
    def weights(fast, slow):
        return (closes.rolling(fast).mean() > closes.rolling(slow).mean()).astype(float)

    return weights


def until(frame, date):
    return frame[frame.index <= date]


def book_of(choices, parameters, weights, prices, **options):
    """One simulation of the weights that each choice calls for, put together by date."""
    ends = [*choices.index[1:], pd.Timestamp.max]
    parts = []
    for (begin, row), end in zip(choices.iterrows(), ends):
        chosen = weights(**row[parameters].to_dict())
        parts.append(chosen[(chosen.index >= begin) & (chosen.index < end)])
    return simulate(pd.concat(parts), prices, **options)


@pytest.fixture(scope="module")
def stocks():
    """Closes of eight stocks, one of which begins late, one of which ends and one of which has gaps."""
    closes = tsseq.load_sample("us_stocks")["close"].unstack(0).loc["2007":"2008"].iloc[:, :8].copy()
    closes.iloc[:100, 1] = np.nan
    closes.iloc[-100:, 2] = np.nan
    closes.iloc[300:310, 3] = np.nan
    return closes


def scores_of(closes):
    """Momentum on every third day."""
    return momentum(closes, 20).iloc[::3]


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize("window", [None, 80])
@pytest.mark.parametrize("by", ["sharpe", "total_return", lambda returns: np.median(returns) + returns.mean()])
def test_a_choice_is_what_simulations_that_end_on_its_date_call_best(engine, window, by):
    closes = walk(0, 300, 4)
    options = {"engine": engine, "costs": Costs(bps=10), "execution": "close"}
    grid = {"rule": ["top_k"], "k": [1, 2, 3]}
    choices = walk_forward(momentum(closes), closes, grid, every="QE", window=window, by=by, **options).choices
    statistic = STATISTICS.get(by, by)
    per_year = {"periods_per_year": 365} if by == "sharpe" else {}
    assert choices.index.strftime("%m-%d").tolist() == ["04-01", "07-01", "10-01"]
    for date, row in choices.iterrows():
        prices = until(closes, date)
        weights = rules_of(momentum(prices), prices)
        books = [simulate(weights(rule="top_k", k=k), prices, **options) for k in (1, 2, 3)]
        scores = [statistic(book.returns.to_numpy()[-(window or 0) :], **per_year) for book in books]
        assert row["combination"] == np.argmax(scores)
        assert row["past_score"] == pytest.approx(max(scores), rel=1e-9)


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_the_book_is_one_simulation_of_what_was_chosen(stocks, engine):
    signal = scores_of(stocks)
    choice = walk_forward(signal, stocks, TOP, every="QE", engine=engine, leverage=1.2, **MONEY)
    assert choice.choices["combination"].nunique() > 1
    weights = rules_of(signal, stocks)
    book = book_of(choice.choices, list(TOP), weights, stocks, engine=engine, leverage=1.2, **MONEY)
    pd.testing.assert_frame_equal(choice.book.weights, book.weights)
    pd.testing.assert_series_equal(choice.book.returns, book.returns)
    assert choice.book.caveats == book.caveats
    assert choice.book.returns.index[0] == choice.choices.index[0]
    assert choice.choices["bars_served"].sum() == len(book.returns)


def test_a_change_of_the_parameters_is_paid_for():
    closes = walk(1, 300)["close"] * np.exp(0.01 * np.abs(np.arange(300) - 150))  # falls, then rises

    def weights(side):
        return pd.Series(side, closes.index)

    book = walk_forward(weights, closes, {"side": [1.0, -1.0]}, every=50, window=50, costs=Costs(bps=100)).book
    assert np.sign(book.weights["close"]).iloc[[50, -1]].tolist() == [-1, 1]
    assert book.turnover.max() == pytest.approx(2, rel=0.1)
    assert book.costs_paid.max() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("engine", ["returns", "shares"])
@pytest.mark.parametrize("execution", ["next_close", "close", "same_bar"])
def test_no_choice_and_no_weight_knows_a_later_price(stocks, engine, execution):
    options = {"every": "QE", "engine": engine, "execution": execution, **MONEY}
    honest = walk_forward(scores_of(stocks), stocks, TOP, **options)
    moves = np.random.default_rng(0).normal(0, 0.05, stocks.shape).cumsum(axis=0)
    for date in honest.choices.index[:-1:4]:
        later = stocks.index > date
        poisoned = stocks * np.exp(np.where(later[:, None], moves, 0.0))
        halts = np.random.default_rng(1).uniform(size=stocks.shape) < 0.05
        poisoned = poisoned.mask(halts & later[:, None])
        choice = walk_forward(scores_of(poisoned), poisoned, TOP, **options)
        assert not choice.book.returns.equals(honest.book.returns)
        assert until(choice.choices, date).equals(until(honest.choices, date))
        assert until(choice.returns, date).equals(until(honest.returns, date))
        for kind in ("weights", "returns", "costs_paid"):
            past, expected = (until(getattr(book, kind), date) for book in (choice.book, honest.book))
            assert past.equals(expected)


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_no_choice_knows_the_next_open(sp500, engine):
    bars = sp500.loc["2005", ["open", "close"]]
    honest = walk_forward(momentum(bars[["close"]]), bars, THRESHOLDS, every="QE", engine=engine, **MONEY)
    assert honest.book.execution == "next_open"
    for date in honest.choices.index:
        poisoned = pd.concat([until(bars, date), bars[bars.index > date] * 1.5])
        poisoned.loc[bars.index[bars.index > date][5:8]] = np.nan
        signal = momentum(poisoned[["close"]])
        choice = walk_forward(signal, poisoned, THRESHOLDS, every="QE", engine=engine, **MONEY)
        assert until(choice.choices, date).equals(until(honest.choices, date))
        assert until(choice.book.weights, date).equals(until(honest.book.weights, date))
        assert until(choice.returns, date).equals(until(honest.returns, date))


def test_that_prices_end_changes_no_choice_before():
    closes = walk(2, 500)
    whole = walk_forward(momentum(closes), closes, THRESHOLDS, every="ME")
    cut = walk_forward(momentum(closes.iloc[:400]), closes.iloc[:400], THRESHOLDS, every="ME")
    last = cut.choices.index[-1]
    assert until(whole.choices, last).iloc[:-1].equals(cut.choices.iloc[:-1])
    assert whole.choices.loc[last, "combination"] == cut.choices.loc[last, "combination"]


def ruined_later():
    """Prices on which a short position is best for 100 bars, bad for 40, and ruinous then."""
    moves = np.concatenate([np.full(100, 0.995), np.full(40, 1.012), [3.0], np.full(59, 1.0)])
    moves *= 1 + 1e-4 * np.sin(np.arange(200))
    return pd.Series(100 * moves.cumprod(), pd.date_range("2020-01-01", periods=200))


@pytest.mark.parametrize("engine", ["returns", "shares"])
def test_a_combination_is_chosen_though_it_will_be_ruined(engine):
    prices = ruined_later()
    choice = walk_forward(
        lambda side: pd.Series(side, prices.index),
        prices,
        {"side": [0.5, -1.0]},
        every=40,
        window=40,
        start=prices.index[90],
        by="total_return",
        engine=engine,
    )
    assert choice.choices["side"].tolist() == [-1.0, 0.5, 0.5]
    assert choice.returns[1].isna().tolist() == [False] * 140 + [True] * 60
    assert choice.returns[0].notna().all()
    assert choice.trials.count == 2


def test_nothing_can_be_chosen_where_all_is_lost():
    prices = ruined_later()
    with pytest.raises(DataError, match="no combination has a score on 2020-05-30, after 151 bars: each has lost all"):
        walk_forward(
            lambda side: pd.Series(side, prices.index),
            prices,
            {"side": [-1.0, -1.1]},
            start=prices.index[150],
            engine="shares",
        )


def test_a_grid_of_one_is_a_simulation_of_it():
    closes = walk(3)
    weights = crossing(closes["close"])
    choice = walk_forward(weights, closes, {"fast": [5], "slow": [20]}, every="QE", **MONEY)
    book = simulate(weights(5, 20).loc[choice.choices.index[0] :], closes, **MONEY)
    pd.testing.assert_series_equal(choice.book.returns, book.returns)
    pd.testing.assert_series_equal(
        choice.returns[0], simulate(weights(5, 20), closes, **MONEY).returns, check_names=False
    )
    assert choice.choices["combination"].eq(0).all()


def test_among_equals_the_first_of_the_grid_is_chosen():
    closes = walk(4)
    choice = walk_forward(
        lambda copy, size: pd.Series(size, closes.index), closes, {"copy": [1, 2, 3], "size": [0.5, 1.0]}, every=100
    )
    assert choice.choices["copy"].eq(1).all()
    idle = walk_forward(lambda copy: pd.Series(0.0, closes.index), closes, {"copy": [1, 2]}, every=100, cash_rate=0.03)
    assert idle.choices["copy"].eq(1).all()
    assert idle.choices["past_score"].eq(0).all()


def test_interest_on_cash_is_no_reason_to_be_chosen():
    closes = walk(5)
    closes *= np.exp(0.004 * np.arange(len(closes)))[:, None]
    choice = walk_forward(
        lambda size: pd.Series(size, closes.index), closes, {"size": [0.0, 1.0]}, every=100, cash_rate=0.05
    )
    assert choice.choices["size"].eq(1).all()
    assert STATISTICS["sharpe"](choice.returns[0]) > STATISTICS["sharpe"](choice.returns[1])


@pytest.mark.parametrize(
    ("every", "options", "expected"),
    [
        ("QE", {}, ["04-01", "07-01", "10-01", "01-01"]),
        ("2QE", {"start": "2020-02-10"}, ["02-10", "07-01", "01-01"]),
        ("QS", {"window": 120}, ["07-01", "10-01", "01-01"]),
        ("W-FRI", {"start": "2021-01-20"}, ["01-20", "01-23", "01-30"]),
        (100, {}, ["04-15", "07-24", "11-01"]),
        (150, {"start": pd.Timestamp("2020-05-01")}, ["05-01", "09-28"]),
        (pd.Timedelta(days=90), {}, ["04-05", "07-04", "10-02", "12-31"]),
        (False, {"start": "2020-06-01"}, ["06-01"]),
    ],
)
def test_dates_of_the_choices(every, options, expected):
    closes = walk(6, 400)
    signal = momentum(closes)
    dates = walk_forward(signal, closes, THRESHOLDS, every=every, **options).choices.index
    assert dates.strftime("%m-%d").tolist() == expected


def test_a_choice_waits_for_the_first_decision_of_its_period():
    closes = walk(7, 300)
    signal = momentum(closes).iloc[::7]
    dates = walk_forward(signal, closes, THRESHOLDS, every="ME").choices.index
    assert dates.isin(signal.index).all()
    assert dates.day.max() <= 7
    assert dates.month.tolist() == list(range(4, 11))


def test_intraday_bars_are_chosen_for_by_day():
    closes = walk(8, 600, freq="h").tz_localize("America/New_York", nonexistent="shift_forward")
    choice = walk_forward(
        crossing(closes["close"]), closes, {"fast": [3, 6], "slow": [12, 24]}, every="D", start="2020-01-10"
    )
    assert choice.choices.index.equals(pd.date_range("2020-01-10", "2020-01-25", tz="America/New_York"))
    assert choice.choices["bars_served"].iloc[:-1].eq(24).all()


def test_forecasts_with_ids_and_dates_of_other_names(stocks):
    closes = stocks.dropna(axis=1).iloc[:300].rename_axis(index="day", columns="ticker")
    prices = closes.T.stack().to_frame("close").reset_index()
    tidy = closes.shift(5).iloc[5:280].T.stack().rename("forecast").reset_index().rename(columns={"day": "cutoff"})
    tidy = tidy.assign(model="lag", step=1, target="close", day=tidy["cutoff"] + pd.Timedelta(days=1))
    grid = {"rule": ["top_k", "sign"], "allow_short": [True, False], "max_weight": [0.2]}
    with pytest.raises(ConfigError, match="k is None with rule 'top_k'"):
        walk_forward(tidy, prices, grid, every="QE")
    choice = walk_forward(tidy, prices, grid | {"rule": ["rank", "sign"]}, every="QE", model="lag")
    book = book_of(
        choice.choices,
        ["rule", "allow_short", "max_weight"],
        lambda **options: to_weights(tidy, prices, "lag", **options),
        prices,
    )
    pd.testing.assert_series_equal(choice.book.returns, book.returns)


def test_combinations_trials_and_hindsight_are_those_of_a_sweep():
    closes = walk(9, 500)
    weights = crossing(closes["close"])
    grid = {"fast": [3, 5, 10], "slow": [20, 40]}
    choice = walk_forward(weights, closes, grid, every="QE", costs=Costs(bps=5))
    table = sweep(weights, closes, grid, costs=Costs(bps=5))
    assert choice.combinations.equals(table[["fast", "slow"]])
    np.testing.assert_allclose((1 + choice.returns).prod() - 1, table["total_return"], rtol=1e-9)
    trials = table.attrs["trials"]
    assert (choice.trials.count, choice.trials.mean) == (6, pytest.approx(trials.mean))
    assert choice.trials.variance == pytest.approx(trials.variance)
    begin = choice.choices.index[0]
    after = choice.returns.loc[begin:]
    sharpes = [sharpe(after[number], periods_per_year=365) for number in after]
    best = int(np.argmax(sharpes))
    assert choice.hindsight.loc["hindsight", "sharpe"] == pytest.approx(sharpes[best])
    assert choice.hindsight.loc["hindsight", "total_return"] == pytest.approx(total_return(after[best]))
    stats = choice.book.stats()
    for name in ("total_return", "sharpe"):
        assert choice.hindsight.loc["walk_forward", name] == pytest.approx(stats[name])
    assert 0 <= probability_of_overfitting(choice.returns, n_groups=6).probability <= 1


def figures_of_noise(seed):
    """Sharpe ratios of the book and of hindsight, and the book's mean return, where rules and prices are random."""
    closes = walk(seed, 400, 6)
    table = read_prices(closes)
    signals = np.random.default_rng([seed, 1]).normal(size=(6, *closes.shape))

    def weights(number, k):
        rule = WeightingRule("top_k", k=k, allow_short=True)
        return pd.DataFrame(rule.weights(closes, table, signals[number]), closes.index, closes.columns)

    choice = walk_forward(weights, closes, {"number": range(6), "k": [1, 2, 3]}, every=60)
    return [*choice.hindsight["sharpe"], choice.book.returns.mean()]


def check_noise(n_seeds):
    book, hindsight, mean = np.transpose([figures_of_noise(seed) for seed in range(n_seeds)])
    error = np.array([values.std(ddof=1) / np.sqrt(n_seeds) for values in (book, mean)])
    assert hindsight.mean() > 1.0
    assert (hindsight >= book).mean() > 0.95
    assert abs(book.mean()) < 3 * error[0]
    assert abs(mean.mean()) < 3 * error[1]


def test_hindsight_finds_an_edge_in_noise_and_walking_forward_does_not():
    check_noise(8)


@pytest.mark.proof
def test_hindsight_finds_an_edge_in_noise_over_many_panels():
    check_noise(300)


def test_an_edge_is_found():
    closes = walk(11, 600)
    noise = np.random.default_rng(0).normal(0, 0.02, (len(closes), 4))
    noise[:, 2] *= 0.25
    known = closes["close"].pct_change().shift(-1).fillna(0).to_numpy()

    def weights(number):
        return pd.Series(np.sign(known + noise[:, number]), closes.index)

    choice = walk_forward(weights, closes, {"number": range(4)}, every="ME", execution="close")
    assert choice.choices["number"].eq(2).all()
    assert probability_of_overfitting(choice.returns).probability < 0.01


def test_what_leaves_no_choice_is_named():
    closes = walk(12, 100)
    signal = momentum(closes)
    with pytest.raises(DataError, match="to 2020-04-09 leave no choice with 60 bars known at every='YE'"):
        walk_forward(signal, closes, THRESHOLDS)
    with pytest.raises(DataError, match="leave no choice at or after 2021-01-01"):
        walk_forward(signal, closes, THRESHOLDS, start="2021-01-01")
    with pytest.raises(ConfigError, match="every='fortnight' is neither"):
        walk_forward(signal, closes, THRESHOLDS, every="fortnight")
    with pytest.raises(ConfigError, match="every=0 must be at least 1"):
        walk_forward(signal, closes, THRESHOLDS, every=0)
    with pytest.raises(ConfigError, match="window is 1"):
        walk_forward(signal, closes, THRESHOLDS, every=10, window=1)
    with pytest.raises(ConfigError, match="by is 'profit'"):
        walk_forward(signal, closes, THRESHOLDS, every=10, by="profit")
    with pytest.raises(ConfigError, match="no combination"):
        walk_forward(signal, closes, {"rule": []}, every=10)
