"""XGBoost and LightGBM models for the comparison with onnxruntime, converted by onnxmltools."""

from comparison_sklearn_cases import ROWS, data, with_gaps
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

OPSET = 15


def case(make, to_onnx, source, gaps=False):
    """A builder: fit on a bundled data set, convert, predict every some rows."""

    def build(directory):
        features, target = data(source)
        features = with_gaps(features) if gaps else features
        estimator = make().fit(features, target)
        model = to_onnx(estimator, [("X", FloatTensorType([None, features.shape[1]]))])
        model.graph.name = type(estimator).__name__  # instead of a random one
        (directory / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        rows = features[:: len(features) // ROWS][:ROWS]
        return [{"X": rows}, {"X": rows[2:3]}]

    return build


def from_xgboost(estimator, types):
    return convert_xgboost(estimator, initial_types=types, target_opset=OPSET)


def from_lightgbm(zipmap=False):
    def convert(estimator, types):
        return convert_lightgbm(estimator, initial_types=types, target_opset=OPSET, zipmap=zipmap)

    return convert


def xgboost_cases():
    from xgboost import XGBClassifier, XGBRegressor, XGBRFRegressor

    common = {"n_estimators": 8, "max_depth": 3, "random_state": 0, "n_jobs": 1}
    return {
        "xgboost-binary": case(lambda: XGBClassifier(**common), from_xgboost, "breast_cancer"),
        "xgboost-multi": case(lambda: XGBClassifier(**common), from_xgboost, "wine"),
        "xgboost-regressor": case(lambda: XGBRegressor(**common), from_xgboost, "diabetes"),
        "xgboost-missing-values": case(
            lambda: XGBClassifier(**common), from_xgboost, "iris", gaps=True
        ),
        "xgboost-poisson": case(
            lambda: XGBRegressor(objective="count:poisson", **common), from_xgboost, "diabetes"
        ),
        "xgboost-random-forest": case(lambda: XGBRFRegressor(**common), from_xgboost, "diabetes"),
    }


def lightgbm_cases():
    from lightgbm import LGBMClassifier, LGBMRegressor

    common = {
        "n_estimators": 8,
        "num_leaves": 8,
        "min_child_samples": 5,
        "random_state": 0,
        "n_jobs": 1,
        "verbose": -1,
        "deterministic": True,
        "force_row_wise": True,
    }
    return {
        "lightgbm-binary": case(lambda: LGBMClassifier(**common), from_lightgbm(), "breast_cancer"),
        "lightgbm-multi": case(lambda: LGBMClassifier(**common), from_lightgbm(), "wine"),
        "lightgbm-zipmap": case(
            lambda: LGBMClassifier(**common), from_lightgbm(zipmap=True), "iris"
        ),
        "lightgbm-regressor": case(lambda: LGBMRegressor(**common), from_lightgbm(), "diabetes"),
        "lightgbm-missing-values": case(
            lambda: LGBMClassifier(**common), from_lightgbm(), "iris", gaps=True
        ),
        "lightgbm-random-forest": case(
            lambda: LGBMRegressor(
                boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, **common
            ),
            from_lightgbm(),
            "diabetes",
        ),
        "lightgbm-poisson": case(
            lambda: LGBMRegressor(objective="poisson", **common), from_lightgbm(), "diabetes"
        ),
    }


def cases():
    """Name → builder of every gradient boosting case."""
    return {**xgboost_cases(), **lightgbm_cases()}
