"""Learns classes of photos from a pretrained backbone: features, a head, cross-validation, an artifact."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from handler.model import Model
from training.data.dataset import Dataset
from training.export.judged import Judged
from training.export.network import Description, export_network, one_of_each
from training.network.architecture import multiplications, split_none
from training.network.provenance import read_revision, versions
from training.transfer.backbones import BOUNDARIES, Backbone, build_backbone
from training.transfer.head import WEIGHT_OF_ODDS, Features, Head, cross_validate, fit_head
from training.transfer.looking import Seen, compute_features, look, upper_layers
from training.transfer.tuning import tune

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Learnt:
    """Holds a network from photos to features, its head, and what heads said of photos that they had not learnt from.

    `features` are those of the pretrained network, of all photos and of images that show none of the classes, and `seen` what
    its lower layers make of them.
    """

    network: keras.Model
    head: Head
    judged: Judged
    features: Features
    seen: Seen
    is_tuned: bool = False


def learn(dataset: Dataset, backbone: Backbone) -> Learnt:
    """Learns the classes of photos, squares in RGB, by the features of a pretrained network."""
    network = build_backbone(backbone, dataset.train.images.shape[1])
    seen = look(network, BOUNDARIES[backbone], dataset)
    upper = upper_layers(network, BOUNDARIES[backbone])
    views, foreign = (np.stack([compute_features(upper, view) for view in views]) for views in (seen.photos, seen.foreign))
    features = Features(views, dataset.train.labels, len(dataset.classes), foreign)
    logger.info("learning %d classes by %d features", len(dataset.classes), views.shape[2])
    return Learnt(network, fit_head(features), cross_validate(features), features, seen)


def tune_learnt(learnt: Learnt, dataset: Dataset, backbone: Backbone) -> Learnt:
    """Tunes the upper layers to the classes."""
    network = build_backbone(backbone, dataset.train.images.shape[1])
    logger.info("tuning the layers from %s on", BOUNDARIES[backbone])
    tuned = tune(network, BOUNDARIES[backbone], learnt.seen, learnt.features, learnt.head)
    return Learnt(tuned.network, tuned.head, tuned.judged, learnt.features, learnt.seen, is_tuned=True)


def export_learnt(learnt: Learnt, dataset: Dataset, backbone: Backbone, out: Path, *, name: str | None, version: str) -> Model:
    """Writes the artifact of a backbone with its head into `out`; figures are of the test images of `dataset`."""
    network = attach(learnt.network, learnt.head)
    description = Description(
        name=name or dataset.directory.resolve().name,
        version=version,
        classes=dataset.classes,
        conversion=dataset.conversion,
        dataset=_describe_dataset(dataset),
        training=_describe_training(learnt, network, backbone),
    )
    return export_network(network, description, one_of_each(dataset.train), learnt.judged, dataset.test, out, "float16")


def attach(backbone: keras.Model, head: Head) -> keras.Model:
    """Returns a network from photos, `(n, side, side, 3)` uint8, to `logits`, `(n, classes)`, and `familiarity`, `(n,)`."""
    features, outputs = backbone.output, head.weights.shape[1]
    logits = layers.Dense(outputs, name="logits")
    told = split_none(keras.Model(backbone.input, logits(features)), outputs - 1).output
    nearness = layers.Dense(len(head.prototypes), use_bias=False, name="prototypes")
    length = ops.sqrt(ops.sum(ops.square(features), axis=1, keepdims=True) + 1e-12)
    cosine = ops.max(nearness(features) / length, axis=1)
    familiarity = cosine + WEIGHT_OF_ODDS * told["familiarity"]
    logits.set_weights([head.weights, head.bias])
    nearness.set_weights([head.prototypes.T])
    return keras.Model(backbone.input, {"logits": told["logits"], "familiarity": familiarity})


def _describe_dataset(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "train_images": len(dataset.train),
        "train_images_by_class": np.bincount(dataset.train.labels, minlength=len(dataset.classes)).tolist(),
        "test_images": len(dataset.test),
        "md5_of_content": dataset.checksums,
    }


def _describe_training(learnt: Learnt, network: keras.Model, backbone: Backbone) -> dict[str, object]:
    return {
        "backbone": backbone.value,
        "tuned_from": BOUNDARIES[backbone] if learnt.is_tuned else None,
        "views": len(learnt.features.views),
        "cross_validated_images": len(learnt.judged.labels),
        "cross_validated_accuracy": round(learnt.judged.accuracy, 5),
        "parameters": network.count_params(),
        "multiplications": multiplications(network),
        "versions": versions(),
        "revision": read_revision(),
    }
