"""The manifest of an exported model."""

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version

from model.artifact.manifest import Accuracy, Golden, Layer, Manifest
from model.artifact.outputs import Session, input_spec, output_specs
from training.data.split import SPLIT_RULE
from training.publish.golden import draw_golden_inputs
from training.results.report import Report
from training.results.trained import TrainedModel
from training.settings.fit import FitSettings, flat


def describe_model(
    trained: TrainedModel, settings: FitSettings, model: bytes, session: Session
) -> Manifest:
    """Write down everything that is known about an exported model.

    Args:
        trained: what was exported.
        settings: of its run.
        model: the bytes of the ONNX file.
        session: runs it, for the scores of the golden inputs.
    """
    spec, report = trained.network.spec, trained.report
    height, width = spec.image_height, spec.image_width
    pictures = draw_golden_inputs(height, width)
    scores = session(pictures).scores
    test = report.test
    return Manifest(
        created=datetime.now(UTC).replace(microsecond=0),
        labels=report.labels,
        image_height=height,
        image_width=width,
        input=input_spec(height, width),
        outputs=output_specs(len(report.layers), spec.num_classes),
        layers=_layers(report),
        temperature=report.calibration.temperature,
        accuracy=Accuracy(value=test.accuracy, n=test.n, per_class=test.per_class),
        # The kind of the data alone: where they lay is nobody's business.
        training=flat(settings)
        | {"data": settings.data.kind, "cache": None, "split_rule": SPLIT_RULE},
        software={name: version(name) for name in ("goodserve", "torch", "onnx", "onnxscript")},
        data_sha256=report.data_sha256,
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_size_bytes=len(model),
        golden=tuple(Golden.of(p, s) for p, s in zip(pictures, scores, strict=True)),
    )


def _layers(report: Report) -> tuple[Layer, ...]:
    columns = zip(
        report.layers,
        report.calibration.layer_weights,
        report.calibration.loss_per_layer,
        report.test.per_layer,
        strict=True,
    )
    return tuple(
        Layer(
            name=layer.name,
            channels=layer.channels,
            # A softmax in float32 may round to a little over 1, which the manifest refuses.
            weight=min(1.0, weight),
            validation_loss=loss,
            test_accuracy=accuracy,
        )
        for layer, weight, loss, accuracy in columns
    )
