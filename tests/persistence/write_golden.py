"""Write the golden files of the present format: models, and what they predicted before they were saved.

Files that are there never change. Run this, from the root of the repository, for a format or a model that is new:

    python tests/persistence/write_golden.py
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

import tsseq
from tsseq import (
    ConformalForecaster,
    DLinearForecaster,
    EnsembleForecaster,
    Forecaster,
    GRUForecaster,
    LinearForecaster,
    LSTMForecaster,
    NegativeBinomial,
    NeuralClassifier,
    NeuralLabeller,
    NeuralRegressor,
    NeuralTransducer,
    Normal,
    PatchTSTForecaster,
    Quantiles,
    RNNForecaster,
    SeasonalNaive,
    Seq2SeqForecaster,
    StudentT,
    Training,
    TransformerForecaster,
    load_sample,
)
from tsseq.networks import GRU, ChoGRU, PeepholeLSTM, Seq2Seq
from tsseq.persistence.container import FORMAT

GOLDEN = Path(__file__).parent / "golden"
QUICK = Training(max_epochs=1, max_steps=3, verbose=False)
BAND = [0.1, 0.9]
SPEED = np.tile([0.3, 0.9], 10)
TEXTS = ["abc", "caab", "b"]
MOVES = np.array(["up", "flat", "down", "flat"])
SEQUENCES = np.sin(SPEED[:, None] * np.arange(12.0))


def shop():
    """Two series with a category, the calendar, a static covariate and a missing value."""
    days = pd.date_range("2024-01-01", periods=40, name="day")
    frames = {}
    for place, name in enumerate(("west", "east")):
        sales = 5.0 + place + np.sin(np.arange(40) / 3)
        event = pd.Categorical(np.where(np.arange(40) % 5 == place, "sale", "none"))
        frames[name] = pd.DataFrame({"sales": sales, "event": event, "size": 2.0 + place}, days)
        frames[name].iloc[7, 0] = np.nan
    return pd.concat(frames, names=["shop", "day"])


def models(there):
    """Name -> a fitted model, and the levels to predict, of those that are not ``there`` yet."""
    air, prices = load_sample("airline"), load_sample("sp500")[-120:]
    small = {"hidden_size": 4, "training": QUICK}
    attentive = {"hidden_size": 4, "n_heads": 2, "feedforward_size": 8, "training": QUICK}
    covariates = {"target": "sales", "past": "event", "known": "calendar", "static": ["size", "shop"]}
    counts = {"head": NegativeBinomial(), "scaling": "mean"}
    exchange = {"target": "close", "log": True, "calendar": "XNYS", "head": Quantiles(BAND)}
    seeds = EnsembleForecaster.over_seeds(LinearForecaster(2, 8, training=QUICK), 2)
    pair = EnsembleForecaster([("gru", GRUForecaster(2, 6, **small)), ("naive", Forecaster(SeasonalNaive(6), 2, 8))])
    joint = {"target": ["open", "close"], "multivariate": "joint", "calendar": "XNYS", "head": StudentT()}
    cells = {"peephole": PeepholeLSTM(hidden_size=4), "cho": ChoGRU(hidden_size=4)}
    fits = {
        "lstm": (LSTMForecaster(3, 20, **exchange, **small), prices, BAND),
        "lstm_covariates": (LSTMForecaster(2, 8, **covariates, **small), shop(), None),
        "gru_counts": (GRUForecaster(3, 24, **counts, **small), air, BAND),
        "rnn": (RNNForecaster(2, 12, bidirectional=True, n_layers=2, **small), air, None),
        "linear_joint": (LinearForecaster(2, 6, training=QUICK, **joint), prices, BAND),
        "seq2seq": (Seq2SeqForecaster(3, 12, head=Normal(), **small), air, BAND),
        "transformer": (TransformerForecaster(3, 12, **attentive), air, None),
        "patchtst": (PatchTSTForecaster(3, 24, **attentive), air, None),
        "conformal": (ConformalForecaster(DLinearForecaster(2, 12, training=QUICK), 30), air, BAND),
        "ensemble_seeds": (seeds, air, None),
        "ensemble_names": (pair, air, None),
        "naive": (Forecaster(SeasonalNaive(12), 3, 24, log=True), air, None),
    }
    adaptive = {"line": True, "scaling": "adaptive", "calendar": "rows", "training": QUICK}
    fits["linear_adaptive"] = LinearForecaster(2, 8, **adaptive), air, None
    fits["gru_series"] = GRUForecaster(2, 8, target="sales", series_embedding=True, **small), shop(), None
    fits |= {name: (Forecaster(NeuralRegressor(net, training=QUICK), 2, 12), air, None) for name, net in cells.items()}
    fits = {name: (model.fit(frame), levels) for name, (model, frame, levels) in fits.items() if name not in there}
    y = np.where(SPEED > 0.5, "fast", "slow")
    labels = SEQUENCES > 0
    rows, sums = SEQUENCES[:, :6], SEQUENCES[:, 6:8]
    texts = ["ab" * (1 + k % 4) + "abc"[k % 3] for k in range(20)]
    fits["transducer"] = NeuralTransducer(Seq2Seq(hidden_size=4), QUICK).fit(texts, [x[::-1] for x in texts]), None
    moves = pd.Series(MOVES[np.arange(60) % 4], pd.date_range("2024-01-01", periods=60, name="day"), name="move")
    fits["classes"] = Seq2SeqForecaster(2, 6, **small).fit(moves), None
    fits["classes_sets"] = ConformalForecaster(GRUForecaster(2, 6, **small), 20).fit(moves), BAND[1:]
    fits["regressor"] = NeuralRegressor(GRU(4), Quantiles(BAND), QUICK).fit(rows, sums), None
    fits["classifier"] = NeuralClassifier(GRU(4), QUICK).fit(SEQUENCES, y), None
    fits["classifier_start"] = NeuralClassifier(GRU(4), QUICK, n_convolutions=84).fit(SEQUENCES, y), None
    fits["labeller"] = NeuralLabeller(GRU(4, segment_length=None), QUICK).fit(SEQUENCES, labels), None
    return fits


def predictions(model, levels):
    """What a model predicts, as JSON."""
    if isinstance(model, NeuralRegressor):
        return model.predict(SEQUENCES[:4, :6]).tolist()
    if isinstance(model, (NeuralClassifier, NeuralLabeller)):
        return model.predict_proba(SEQUENCES[:4]).tolist()
    if isinstance(model, NeuralTransducer):
        return model.attention_weights(TEXTS)["weight"].tolist()
    panel = getattr(model, "panel_", None)  # an ensemble has none
    frame = pd.DataFrame(model.predict(levels=levels, proba=panel is not None and panel.classes is not None))
    frame = frame.select_dtypes(["number", "bool"])  # probabilities of categories
    columns = {str(name): column.tolist() for name, column in frame.items()}
    return {"index": [str(key) for key in frame.index], "columns": columns}


def main():
    """Write all files that are not there yet."""
    folder, expected = GOLDEN / f"v{FORMAT}", {}
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "expected.json").exists():
        expected = json.loads((folder / "expected.json").read_text())["models"]
    fits = {name: fit for name, fit in models(expected.keys()).items() if name not in expected}
    for name, (model, levels) in fits.items():
        expected[name] = {"levels": levels, "predictions": predictions(model, levels)}
        model.save(folder / f"{name}.tsseq")
    text = json.dumps({"tsseq": tsseq.__version__, "models": expected}, indent=1)
    (folder / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
