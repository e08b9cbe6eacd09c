"""What every scikit-learn case shares: the data, the fit, the conversion by skl2onnx."""

import warnings
from functools import cache

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn import datasets

TARGET_OPSET = {"": 17, "ai.onnx.ml": 3}
ROWS = 8


@cache
def data(name):
    """(features as float, target) of a bundled data set, thinned to keep models small."""
    features, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    step = max(1, len(features) // 150)
    return features[::step].astype(np.float32), target[::step]


def iris_with_names():
    features, target = data("iris")
    return features, np.array(["setosa", "versicolor", "virginica"])[target]


def with_gaps(features):
    """The same values with every seventh missing."""
    features = features.copy()
    features.flat[::7] = np.nan
    return features


def classes_of(name):
    return {"iris": lambda: data("iris"), "names": iris_with_names}.get(name, lambda: data(name))()


def convert(estimator, types, feeds, options=None):
    """A builder: convert the fitted estimator and return what to run."""

    def build(directory):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scoped = {id(estimator): options} if options else None
            model = to_onnx(
                estimator, initial_types=types, options=scoped, target_opset=TARGET_OPSET
            )
        (directory / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        first = next(iter(feeds.values()))
        return [feeds, {name: value[: max(1, len(first) // 4)] for name, value in feeds.items()}]

    return build


def case(make, source="iris", gaps=False, tensor=FloatTensorType, options=None):
    """A builder for an estimator over one matrix: fit on all rows of `source`, predict every some
    rows.
    """

    def build(directory):
        features, target = classes_of(source)
        features = with_gaps(features) if gaps else features
        estimator = make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(features, target)
        dtype = {
            FloatTensorType: np.float32,
            DoubleTensorType: np.float64,
            Int64TensorType: np.int64,
        }[tensor]
        rows = features[:: len(features) // ROWS][:ROWS].astype(dtype)
        return convert(estimator, [("X", tensor([None, features.shape[1]]))], {"X": rows}, options)(
            directory
        )

    return build
