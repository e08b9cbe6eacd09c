"""scikit-learn pipelines over strings and mixed columns: encoders, ColumnTransformer, text."""

import warnings

import numpy as np
from comparison_sklearn_cases import ROWS, convert, with_gaps
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import (
    compose,
    ensemble,
    feature_extraction,
    impute,
    linear_model,
    naive_bayes,
    pipeline,
    preprocessing,
    tree,
)

NEWS = [
    "The goalkeeper saved a penalty in the last minute",
    "Shares fell after the bank raised interest rates",
    "A new telescope maps distant galaxies in infrared",
    "The striker scored twice and won the match",
    "Investors sold bonds as inflation climbed again",
    "Astronomers found water vapour around a small planet",
    "The coach praised the young defence after the cup final",
    "Central bank and markets agree on slower growth",
    "The probe entered orbit around the icy moon",
    "",
    "goal GOAL Goal; bank, bank? 42 planets!",
]
NEWS_TOPICS = ["sport", "economy", "space"] * 3 + ["sport", "space"]

COLOURS = np.array(
    [
        ["red", "small"],
        ["green", "large"],
        ["blue", "small"],
        ["green", "medium"],
        ["red", "large"],
        ["blue", "medium"],
    ],
    dtype=object,
)


def encoder_case(make, unknown="violet"):
    """An encoder over two string columns, asked for known values and one it never saw (unless
    None).
    """

    def build(directory):
        encoder = make().fit(COLOURS)
        rows = COLOURS[::-1].copy()
        if unknown is not None:
            rows[1, 0] = unknown
        return convert(encoder, [("X", StringTensorType([None, 2]))], {"X": rows})(directory)

    return build


def mixed_columns_case(classifier):
    """Numbers with gaps, categories as strings and integers through a ColumnTransformer: several
    named inputs.
    """

    def build(directory):
        rng = np.random.default_rng(0)
        count = 60
        age = with_gaps(rng.uniform(1, 80, (count, 1)).astype(np.float32))
        fare = rng.gamma(2.0, 15.0, (count, 1)).astype(np.float32)
        port = rng.choice(np.array(["C", "Q", "S"], dtype=object), (count, 1))
        deck = rng.integers(1, 4, (count, 1)).astype(np.int64)
        target = (
            np.nan_to_num(age, nan=30.0) / 40
            + (port == "S")
            - deck / 3
            + rng.normal(0, 0.3, (count, 1))
            > 0.3
        )
        table = np.concatenate(
            [age.astype(object), fare.astype(object), port, deck.astype(object)], axis=1
        )
        numbers = pipeline.make_pipeline(
            impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler()
        )
        estimator = pipeline.make_pipeline(
            compose.ColumnTransformer(
                [
                    ("numbers", numbers, [0, 1]),
                    ("port", preprocessing.OneHotEncoder(handle_unknown="ignore"), [2]),
                    ("deck", preprocessing.OneHotEncoder(handle_unknown="ignore"), [3]),
                ]
            ),
            classifier(),
        ).fit(table, np.where(target.ravel(), "yes", "no"))
        types = [
            ("age", FloatTensorType([None, 1])),
            ("fare", FloatTensorType([None, 1])),
            ("port", StringTensorType([None, 1])),
            ("deck", Int64TensorType([None, 1])),
        ]
        feeds = {"age": age[:ROWS], "fare": fare[:ROWS], "port": port[:ROWS], "deck": deck[:ROWS]}
        return convert(estimator, types, feeds, {"zipmap": False})(directory)

    return build


def text_case(make):
    """A text pipeline over a column of strings."""

    def build(directory):
        texts = np.array(NEWS, dtype=object).reshape(-1, 1)
        estimator = make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(NEWS, NEWS_TOPICS)
        options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
        return convert(
            estimator, [("text", StringTensorType([None, 1]))], {"text": texts}, options
        )(directory)

    return build


def string_cases():
    text = feature_extraction.text
    return {
        "sk-one-hot-strings": encoder_case(
            lambda: preprocessing.OneHotEncoder(handle_unknown="ignore")
        ),
        "sk-one-hot-drop-first": encoder_case(
            lambda: preprocessing.OneHotEncoder(drop="first"), None
        ),
        "sk-ordinal-strings": encoder_case(
            lambda: preprocessing.OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1
            )
        ),
        "sk-one-hot-tree": mixed_columns_case(
            lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0)
        ),
        "sk-columns-logistic": mixed_columns_case(lambda: linear_model.LogisticRegression()),
        "sk-columns-forest": mixed_columns_case(
            lambda: ensemble.RandomForestClassifier(5, max_depth=4, random_state=0)
        ),
        "sk-label-encoder": label_encoder_case,
        "sk-label-binarizer": label_binarizer_case,
        "sk-count-vectorizer": text_case(lambda: text.CountVectorizer()),
        "sk-count-vectorizer-bigrams": text_case(
            lambda: text.CountVectorizer(ngram_range=(1, 2), binary=True)
        ),
        "sk-tfidf": text_case(lambda: text.TfidfVectorizer(sublinear_tf=True)),
        "sk-tfidf-characters": text_case(
            lambda: text.TfidfVectorizer(analyzer="char", ngram_range=(1, 2), max_features=40)
        ),
        "sk-tfidf-logistic": text_case(
            lambda: pipeline.make_pipeline(
                text.TfidfVectorizer(stop_words=["the", "a", "in"]),
                linear_model.LogisticRegression(),
            )
        ),
        "sk-count-naive-bayes": text_case(
            lambda: pipeline.make_pipeline(
                text.CountVectorizer(lowercase=False), naive_bayes.MultinomialNB()
            )
        ),
    }


def label_encoder_case(directory):
    words = np.array(["pear", "apple", "fig", "apple", "pear"], dtype=object)
    encoder = preprocessing.LabelEncoder().fit(words)
    return convert(encoder, [("X", StringTensorType([None]))], {"X": words})(directory)


def label_binarizer_case(directory):
    numbers = np.array([3, 1, 7, 3, 1], dtype=np.int64)
    binarizer = preprocessing.LabelBinarizer().fit(numbers)
    return convert(binarizer, [("X", Int64TensorType([None]))], {"X": numbers})(directory)
