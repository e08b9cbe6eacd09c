#!/usr/bin/env python3
"""Make the sample bundles in `models/`: train, measure on held-out data, export, write cases.

The same environment (requirements-models.txt) makes the same bytes. Hand-written files beside the
models (config.pbtxt, labels.txt) are left alone, except README.md, which is written anew with the
measured figures. `digits` is trained twice: the second weights go to Tests/Golden/models/digits-v2
and replace the first in tests of hot swapping. Needs the locale en_US.UTF-8 for `text-topics`.
"""

import argparse
import shutil
import warnings
from pathlib import Path

import numpy as np
from reproducible import start_repeatably

OPSET = {"": 17, "ai.onnx.ml": 3}
SEED = 0


def split(features, target):
    """(train features, test features, train target, test target); a quarter is held out."""
    from sklearn.model_selection import train_test_split

    return train_test_split(features, target, test_size=0.25, random_state=SEED, stratify=target)


def one_of_each(features, target):
    """The first row of every class: the golden case."""
    return features[np.unique(target, return_index=True)[1]]


def from_sklearn(pipeline, types):
    """An ONNX model with plain tensors as outputs."""
    from skl2onnx import to_onnx

    return to_onnx(
        pipeline, initial_types=types, options={id(pipeline): {"zipmap": False}}, target_opset=OPSET
    )


def make_iris():
    """Scaling and logistic regression on Fisher's irises."""
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn import datasets, linear_model, pipeline, preprocessing

    features, target = datasets.load_iris(return_X_y=True)
    train, test, train_target, test_target = split(features.astype(np.float32), target)
    model = pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=200)
    ).fit(train, train_target)
    accuracy = model.score(test, test_target)
    onnx_model = from_sklearn(model, [("measurements", FloatTensorType([None, 4]))])
    return onnx_model, {"measurements": one_of_each(test, test_target)}, accuracy, len(test)


def make_wine():
    """Gradient-boosted trees on the chemistry of wines from three cultivars."""
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn import datasets
    from xgboost import XGBClassifier

    features, target = datasets.load_wine(return_X_y=True)
    train, test, train_target, test_target = split(features.astype(np.float32), target)
    model = XGBClassifier(
        n_estimators=40, max_depth=3, learning_rate=0.2, random_state=SEED, n_jobs=1
    ).fit(train, train_target)
    accuracy = model.score(test, test_target)
    types = [("analysis", FloatTensorType([None, features.shape[1]]))]
    onnx_model = convert_xgboost(model, initial_types=types, target_opset=15)
    onnx_model.graph.name = "wine-cultivar-gbm"  # instead of a random one
    return onnx_model, {"analysis": one_of_each(test, test_target)}, accuracy, len(test)


def make_text_topics():
    """TF-IDF and logistic regression on messages of customers."""
    from skl2onnx.common.data_types import StringTensorType
    from sklearn import feature_extraction, linear_model, pipeline
    from text_topics_corpus import held_out_messages, training_messages

    model = pipeline.make_pipeline(
        # The pattern is the one that skl2onnx can express, so that both count the same words.
        feature_extraction.text.TfidfVectorizer(token_pattern="[a-zA-Z0-9_]+", sublinear_tf=False),
        linear_model.LogisticRegression(C=10.0, max_iter=500),
    ).fit(*training_messages())
    texts, topics = held_out_messages()
    accuracy = model.score(texts, topics)
    onnx_model = from_sklearn(model, [("text", StringTensorType([None, 1]))])
    rows = np.array([texts[0], texts[7], texts[12], texts[21]], dtype=object).reshape(-1, 1)
    return onnx_model, {"text": rows}, accuracy, len(texts)


def make_digits(seed=SEED):
    """A small convolutional network on handwritten digits of 8x8 pixels."""
    from sklearn import datasets

    features, target = datasets.load_digits(return_X_y=True)
    images = features.astype(np.float32).reshape(-1, 1, 8, 8)
    train, test, train_target, test_target = split(images, target)
    network = trained_network(train, train_target, seed)
    onnx_model = exported_network(network)
    accuracy = accuracy_of(network, test, test_target)
    return onnx_model, {"image": test[:3]}, accuracy, len(test)


def digits_network():
    """Two convolutions and one linear layer; takes pixels from 0 to 16, answers probabilities."""
    from torch import nn

    class Digits(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3, padding=1),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Dropout(0.25),
            )
            self.classes = nn.Linear(32 * 4 * 4, 10)

        def logits(self, image):
            return self.classes(self.features(image / 16.0))

        def forward(self, image):
            return self.logits(image).softmax(dim=-1)

    return Digits()


def trained_network(images, labels, seed, epochs=12, batch=64):
    import torch

    torch.manual_seed(seed)
    network = digits_network().train()
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-4)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            loss = torch.nn.functional.cross_entropy(network.logits(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


def accuracy_of(network, images, labels):
    import torch

    with torch.no_grad():
        return float((network(torch.from_numpy(images)).argmax(1).numpy() == labels).mean())


def exported_network(network):
    import io

    import onnx
    import torch
    from comparison_torch import remove_notes

    buffer = io.BytesIO()
    torch.onnx.export(
        network,
        (torch.zeros(2, 1, 8, 8),),
        buffer,
        dynamo=False,
        opset_version=17,
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}},
    )
    model = onnx.load_from_string(buffer.getvalue())
    remove_notes(model)
    return model


README = """# Sample models

Made by `Tests/Tools/make_sample_models.py`, which trains on data that comes with scikit-learn (for
`text-topics`: on synthetic messages) and writes the same bytes every time. Accuracy is on held-out
rows that training never saw. Each version has golden cases beside it: a few inputs with the outputs
that onnxruntime computes.

| bundle | what it is | accuracy (held out) | how it was made |
|---|---|---|---|
| `iris` | species of an iris (0 setosa, 1 versicolor, 2 virginica) from four lengths in cm \
| {iris} | scikit-learn: scaling, \
logistic regression; skl2onnx, no config file |
| `digits` | handwritten digit from 8x8 pixels (0 to 16) | {digits} | PyTorch: two convolutions, \
one linear layer; torch.onnx, opset 17 |
| `wine-cultivar-gbm` | which of three cultivars a wine is from, by 13 chemical measurements \
| {wine} | XGBoost, 40 rounds of trees; onnxmltools |
| `text-topics` | topic of a customer message: billing, shipping, technical, account | {text} | \
scikit-learn: TF-IDF, logistic regression; skl2onnx. Trained on synthetic messages from templates, \
tested on messages written by hand: a demonstration, not a product |
"""


def write_bundle(directory, made):
    """Write version 1 of a bundle and return its accuracy as a line of the README says it."""
    from golden_case import write_golden_case

    model, feeds, accuracy, rows = made
    shutil.rmtree(directory, ignore_errors=True)
    write_golden_case(directory, model, [feeds])
    print(f"{directory}: accuracy {accuracy:.4f} on {rows} rows", flush=True)
    return f"{100 * accuracy:.1f} % of {rows}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=Path("models"), help="the repository")
    parser.add_argument(
        "--golden", type=Path, default=Path("Tests/Golden/models"), help="where digits-v2 goes"
    )
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    warnings.filterwarnings("ignore")
    accuracies = {
        "iris": write_bundle(arguments.models / "iris" / "1", make_iris()),
        "digits": write_bundle(arguments.models / "digits" / "1", make_digits()),
        "wine": write_bundle(arguments.models / "wine-cultivar-gbm" / "1", make_wine()),
        "text": write_bundle(arguments.models / "text-topics" / "1", make_text_topics()),
    }
    write_bundle(arguments.golden / "digits-v2", make_digits(seed=SEED + 1))
    (arguments.models / "README.md").write_text(README.format(**accuracies))


if __name__ == "__main__":
    start_repeatably()
    main()
