"""scikit-learn estimators and pipelines for the comparison with onnxruntime, converted by skl2onnx.

Each case is one fitted estimator and the rows to predict. Small data sets and few trees: every path
through the operators is taken, and the files stay small enough to commit.
"""

from comparison_sklearn_cases import case
from comparison_sklearn_strings import string_cases
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
)
from sklearn import (
    calibration,
    cluster,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    mixture,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)


def classifier_cases():
    """Classifiers, most without ZipMap (its variants are cases of their own)."""
    plain = {"zipmap": False}
    makers = {
        "logistic-binary": (lambda: linear_model.LogisticRegression(max_iter=50), "breast_cancer"),
        "logistic-multi": (lambda: linear_model.LogisticRegression(max_iter=200), "iris"),
        "sgd-log": (lambda: linear_model.SGDClassifier(loss="log_loss", random_state=0), "iris"),
        "linear-discriminant": (discriminant_analysis.LinearDiscriminantAnalysis, "iris"),
        "quadratic-discriminant": (discriminant_analysis.QuadraticDiscriminantAnalysis, "iris"),
        "decision-tree": (lambda: tree.DecisionTreeClassifier(random_state=0), "names"),
        "random-forest": (
            lambda: ensemble.RandomForestClassifier(8, max_depth=5, random_state=0),
            "wine",
        ),
        "random-forest-binary": (
            lambda: ensemble.RandomForestClassifier(8, max_depth=4, random_state=0),
            "breast_cancer",
        ),
        "extra-trees": (
            lambda: ensemble.ExtraTreesClassifier(6, max_depth=5, random_state=0),
            "names",
        ),
        "gradient-boosting-binary": (
            lambda: ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
            "breast_cancer",
        ),
        "gradient-boosting-multi": (
            lambda: ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0),
            "iris",
        ),
        "ada-boost": (lambda: ensemble.AdaBoostClassifier(n_estimators=5, random_state=0), "iris"),
        "bagging": (lambda: ensemble.BaggingClassifier(n_estimators=4, random_state=0), "iris"),
        "voting": (
            lambda: ensemble.VotingClassifier(
                [
                    ("a", linear_model.LogisticRegression(max_iter=200)),
                    ("b", naive_bayes.GaussianNB()),
                ],
                voting="soft",
                flatten_transform=False,
            ),
            "iris",
        ),
        "stacking": (
            lambda: ensemble.StackingClassifier(
                [
                    ("a", tree.DecisionTreeClassifier(max_depth=3, random_state=0)),
                    ("b", naive_bayes.GaussianNB()),
                ],
                final_estimator=linear_model.LogisticRegression(),
            ),
            "iris",
        ),
        "svc-rbf": (lambda: svm.SVC(probability=True, random_state=0), "iris"),
        "svc-linear-binary": (
            lambda: svm.SVC(kernel="linear", probability=True, random_state=0),
            "breast_cancer",
        ),
        "svc-poly": (
            lambda: svm.SVC(kernel="poly", degree=2, probability=True, random_state=0),
            "names",
        ),
        "svc-sigmoid": (
            lambda: svm.SVC(kernel="sigmoid", gamma=0.01, probability=True, random_state=0),
            "iris",
        ),
        "nu-svc": (lambda: svm.NuSVC(probability=True, random_state=0), "iris"),
        "knn": (lambda: neighbors.KNeighborsClassifier(5), "iris"),
        "mlp": (
            lambda: neural_network.MLPClassifier((12, 6), max_iter=200, random_state=0),
            "iris",
        ),
        "mlp-binary-tanh": (
            lambda: neural_network.MLPClassifier(
                (6,), activation="tanh", max_iter=100, random_state=0
            ),
            "breast_cancer",
        ),
        "gaussian-nb": (naive_bayes.GaussianNB, "iris"),
        "multinomial-nb": (naive_bayes.MultinomialNB, "digits"),
        "bernoulli-nb": (lambda: naive_bayes.BernoulliNB(binarize=8.0), "digits"),
        "calibrated": (
            lambda: calibration.CalibratedClassifierCV(linear_model.RidgeClassifier(), cv=3),
            "iris",
        ),
    }
    cases = {
        f"sk-{name}": case(make, source, options=plain) for name, (make, source) in makers.items()
    }
    cases["sk-hist-gradient-boosting"] = case(
        lambda: ensemble.HistGradientBoostingClassifier(max_iter=6, random_state=0),
        gaps=True,
        options=plain,
    )
    cases["sk-linear-svc"] = case(lambda: svm.LinearSVC(random_state=0), "names")
    cases["sk-svc-decision"] = case(
        lambda: svm.SVC(decision_function_shape="ovo"), "iris", options=plain
    )
    cases["sk-logistic-double"] = case(
        lambda: linear_model.LogisticRegression(max_iter=200),
        tensor=DoubleTensorType,
        options=plain,
    )
    cases["sk-logistic-integers"] = case(
        lambda: linear_model.LogisticRegression(max_iter=100),
        "digits",
        tensor=Int64TensorType,
        options=plain,
    )
    cases["sk-logistic-raw-scores"] = case(
        lambda: linear_model.LogisticRegression(max_iter=200),
        "iris",
        options={"zipmap": False, "raw_scores": True},
    )
    cases["sk-zipmap-integers"] = case(
        lambda: linear_model.LogisticRegression(max_iter=200), "iris"
    )
    cases["sk-zipmap-strings"] = case(
        lambda: tree.DecisionTreeClassifier(max_depth=3, random_state=0), "names"
    )
    cases["sk-zipmap-columns"] = case(
        lambda: naive_bayes.GaussianNB(), "names", options={"zipmap": "columns"}
    )
    return cases


def regressor_cases():
    makers = {
        "linear": linear_model.LinearRegression,
        "ridge-double": linear_model.Ridge,
        "elastic-net": lambda: linear_model.ElasticNet(alpha=0.01),
        "bayesian-ridge": linear_model.BayesianRidge,
        "poisson": lambda: linear_model.PoissonRegressor(max_iter=300),
        "random-forest-regressor": lambda: ensemble.RandomForestRegressor(
            8, max_depth=5, random_state=0
        ),
        "extra-trees-regressor": lambda: ensemble.ExtraTreesRegressor(
            6, max_depth=5, random_state=0
        ),
        "gradient-boosting-regressor": lambda: ensemble.GradientBoostingRegressor(
            n_estimators=12, random_state=0
        ),
        "ada-boost-regressor": lambda: ensemble.AdaBoostRegressor(n_estimators=4, random_state=0),
        "svr": lambda: svm.SVR(C=100.0),
        "nu-svr-linear": lambda: svm.NuSVR(kernel="linear", C=10.0),
        "knn-regressor": lambda: neighbors.KNeighborsRegressor(4, weights="distance"),
        "mlp-regressor": lambda: pipeline.make_pipeline(
            preprocessing.StandardScaler(),
            neural_network.MLPRegressor(hidden_layer_sizes=(10,), max_iter=300, random_state=0),
        ),
        "gaussian-process-regressor": lambda: gaussian_process.GaussianProcessRegressor(
            gaussian_process.kernels.RBF(0.1) + gaussian_process.kernels.WhiteKernel(),
            random_state=0,
        ),
    }
    cases = {
        f"sk-{name}": case(
            make, "diabetes", tensor=DoubleTensorType if "double" in name else FloatTensorType
        )
        for name, make in makers.items()
    }
    cases["sk-hist-gradient-boosting-regressor"] = case(
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=10, random_state=0),
        "diabetes",
        gaps=True,
    )
    return cases


def transformer_cases():
    """Preparation steps alone and in chains, estimators that answer with scores."""
    makers = {
        "standard-scaler": (preprocessing.StandardScaler, "wine"),
        "min-max-scaler": (lambda: preprocessing.MinMaxScaler(clip=True), "wine"),
        "max-abs-scaler": (preprocessing.MaxAbsScaler, "wine"),
        "robust-scaler": (preprocessing.RobustScaler, "wine"),
        "normalizer-l1": (lambda: preprocessing.Normalizer("l1"), "wine"),
        "normalizer-l2": (lambda: preprocessing.Normalizer("l2"), "wine"),
        "normalizer-max": (lambda: preprocessing.Normalizer("max"), "wine"),
        "binarizer": (lambda: preprocessing.Binarizer(threshold=3.0), "iris"),
        "polynomial": (lambda: preprocessing.PolynomialFeatures(3), "iris"),
        "power": (preprocessing.PowerTransformer, "wine"),
        "bins-one-hot": (lambda: preprocessing.KBinsDiscretizer(4, encode="onehot-dense"), "iris"),
        "bins-ordinal": (lambda: preprocessing.KBinsDiscretizer(4, encode="ordinal"), "iris"),
        "pca": (lambda: decomposition.PCA(2), "wine"),
        "truncated-svd": (lambda: decomposition.TruncatedSVD(3, random_state=0), "wine"),
        "select-best": (lambda: feature_selection.SelectKBest(k=2), "iris"),
        "k-means": (lambda: cluster.KMeans(4, n_init=2, random_state=0), "iris"),
        "gaussian-mixture": (lambda: mixture.GaussianMixture(3, random_state=0), "iris"),
        "isolation-forest": (
            lambda: ensemble.IsolationForest(n_estimators=6, max_samples=32, random_state=0),
            "iris",
        ),
        "one-class-svm": (lambda: svm.OneClassSVM(nu=0.2), "iris"),
        "nearest-outlier": (lambda: neighbors.LocalOutlierFactor(5, novelty=True), "iris"),
        "union": (
            lambda: pipeline.make_union(preprocessing.StandardScaler(), decomposition.PCA(2)),
            "iris",
        ),
    }
    cases = {f"sk-{name}": case(make, source) for name, (make, source) in makers.items()}
    cases["sk-imputer-mean"] = case(lambda: impute.SimpleImputer(), gaps=True)
    cases["sk-imputer-median-scaler-pca-logistic"] = case(
        lambda: pipeline.make_pipeline(
            impute.SimpleImputer(strategy="median"),
            preprocessing.StandardScaler(),
            decomposition.PCA(3),
            linear_model.LogisticRegression(max_iter=200),
        ),
        "wine",
        gaps=True,
    )
    return cases


def cases():
    """Name → builder of every scikit-learn case."""
    return {**classifier_cases(), **regressor_cases(), **transformer_cases(), **string_cases()}
