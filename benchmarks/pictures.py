"""Draw the pictures of the report in docs anew: report.png, of the S&P 500, and report_stocks.png, of many stocks.

    python benchmarks/pictures.py --data us_40_daily.csv.gz

Without --data, the stocks that come with tsseq. It needs Chromium, which it runs without a window.
"""

import argparse
import subprocess
import tempfile
import warnings
from pathlib import Path

from PIL import Image
from sklearn.linear_model import Ridge
from stocks import prices_of

import tsseq
from tsseq import Costs, Forecaster, GRUForecaster, Quantiles, Training

DOCS = Path(__file__).parent.parent / "docs"
COSTS = Costs(bps=5, slippage_bps=2)
ROLES = {"target": "close", "log": True, "calendar": "XNYS"}
HEIGHTS = {"report": 3170, "report_stocks": 3259}  # pixels from the top, up to the end of a section


def one_series(path: Path) -> None:
    """Report on a GRU and a ridge that forecast the S&P 500."""
    prices = tsseq.load_sample("sp500")[["open", "close"]]
    training = Training(max_epochs=3, seed=0, verbose=False)
    head = Quantiles([0.1, 0.5, 0.9])
    models = {
        "gru": GRUForecaster(5, 60, hidden_size=16, head=head, training=training, **ROLES),
        "ridge": Forecaster(Ridge(), 5, 60, **ROLES),
    }
    result = tsseq.backtest(models, prices, n_cutoffs=300, levels=[0.1, 0.9])
    weights = tsseq.to_weights(result.forecasts, prices, "gru", allow_short=False)
    tsseq.report(result, tsseq.simulate(weights, prices, costs=COSTS), path, title="S&P 500, five days ahead")


def many_stocks(path: Path, data: str | None) -> None:
    """Report on the same models that sort many stocks, of which the best eight are held."""
    raw = prices_of(data)
    prices = tsseq.regularize(raw, "XNYS", fill="ffill")
    training = Training(max_epochs=1, seed=0, verbose=False)
    models = {
        "ridge": Forecaster(Ridge(), 5, 40, **ROLES),
        "gru": GRUForecaster(5, 40, hidden_size=16, training=training, **ROLES),
    }
    result = tsseq.backtest(models, prices, n_cutoffs=97, stride=5, refit="YE")
    weights = tsseq.to_weights(result.forecasts, prices, "gru", "top_k", k=8)
    book = tsseq.simulate(weights, tsseq.regularize(raw, "XNYS"), costs=COSTS)
    title = f"{raw.index.get_level_values(0).nunique()} stocks, five days ahead"
    tsseq.report(result, book, path, title=title)


def photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """Save the top of a page as a picture of few colours."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=6000"]
    size = [f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(["chromium", *flags, *size], check=True, capture_output=True)
    Image.open(picture).convert("RGB").quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        one_series(Path(folder) / "report.html")
        many_stocks(Path(folder) / "report_stocks.html", options.data)
        for name, height in HEIGHTS.items():
            photograph(Path(folder) / f"{name}.html", DOCS / f"{name}.png", 1100, height)
