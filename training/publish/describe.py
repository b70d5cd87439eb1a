"""The manifest of an exported model."""

import hashlib
from datetime import UTC, datetime
from importlib.metadata import version

from model.artifact.manifest import Accuracy, Golden, Layer, Manifest
from model.artifact.outputs import Session, input_spec, output_specs
from training.publish.golden import draw_golden_inputs
from training.publish.provenance import code_sha256, initial_name, parent_in
from training.results.report import InterimReport, Report, SplitReport
from training.results.trained import InterimModel
from training.settings.fit import FitSettings, flat


def describe_model(
    trained: InterimModel, settings: FitSettings, model: bytes, session: Session
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
    test = report.test if isinstance(report, Report) else None
    return Manifest(
        created=datetime.now(UTC).replace(microsecond=0),
        labels=report.labels,
        image_height=height,
        image_width=width,
        input=input_spec(height, width),
        outputs=output_specs(len(report.layers), spec.num_classes),
        layers=_layers(report, test),
        temperature=report.calibration.temperature,
        accuracy=_accuracy(test),
        # The kind of the data alone: where they lay is nobody's business.
        training=flat(settings)
        | {
            "data": settings.data.kind,
            "cache": None,
            "initial": initial_name(settings.network.initial),
            "kept_epoch": report.kept_epoch,
        },
        software={name: version(name) for name in ("goodserve", "torch", "onnx", "onnxscript")},
        data_sha256=report.data_sha256,
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_size_bytes=len(model),
        golden=tuple(Golden.of(p, s) for p, s in zip(pictures, scores, strict=True)),
        code_sha256=code_sha256(),
        parent=parent_in(settings.network.initial),
    )


def _accuracy(test: SplitReport | None) -> Accuracy | None:
    if test is None:
        return None
    return Accuracy(value=test.accuracy, n=test.n, per_class=test.per_class)


def _layers(report: InterimReport, test: SplitReport | None) -> tuple[Layer, ...]:
    columns = zip(
        report.layers,
        report.calibration.layer_weights,
        report.calibration.loss_per_layer,
        test.per_layer if test is not None else (None,) * len(report.layers),
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
