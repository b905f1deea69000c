"""Give a trained Caffe net the classes of your own pictures.

DIR has a folder of pictures for each class. On this machine:

    python fine_tune.py --prototxt deploy.prototxt --weights net.caffemodel --images DIR \
      --freeze 'conv*' --workers 2 --output OUT

On a cluster the same behind spark-submit; DIR may then be a URI such as hdfs:///pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pyspark.sql import DataFrame

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.cli.options import blob_shape, positive, size
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message
from bigdl_caffe.graph.deploy import deploy
from bigdl_caffe.spark import CaffeEstimator, CaffeModel, sources
from bigdl_caffe.spark.session import command_session
from bigdl_caffe.train.show.watch import watching

LEARNED = ("InnerProduct", "Convolution")


def train_net(scoring: Model, classes: int, batch: int, mirror: bool) -> pb.NetParameter:
    """Return the definition of a net that learns ``classes`` as ``scoring`` knows its own.

    The last layer has a new name, so that its old weights do not fit, and begins anew.
    """
    definition = deploy(scoring.net)
    data, *layers = definition.layer
    if len(scoring.inputs) != 1 or len(scoring.outputs) != 1 or data.type != "Input":
        raise SystemExit("fine_tune: the net has to take pictures alone, and give scores alone")
    if layers[-1].type == "Softmax":
        layers.pop()
    last = next(layer for layer in reversed(layers) if layer.type in LEARNED)
    last.name += "_new"
    options = last.inner_product_param if last.type == LEARNED[0] else last.convolution_param
    options.num_output = classes
    if not options.HasField("weight_filler"):
        options.weight_filler.type = "xavier"
    data.top.append("label")
    data.input_param.shape[0].dim[0] = batch
    data.input_param.shape.add(dim=[batch])
    data.transform_param.mirror = mirror
    loss = pb.LayerParameter(name="loss", type="SoftmaxWithLoss", top=["loss"])
    loss.bottom.extend([layers[-1].top[0], "label"])
    return pb.NetParameter(name=definition.name, layer=[data, *layers, loss])


def fine_tune(args: argparse.Namespace, pictures: DataFrame) -> tuple[CaffeModel, list[str]]:
    """Return the net that has learned ``pictures``, and the names of its classes."""
    found = pictures.select("label", "class").distinct().orderBy("label").collect()
    classes = [row["class"] for row in found]
    scoring = Model.load_caffe_model(
        args.prototxt, args.weights, input_shapes=dict(args.input_shape)
    )
    definition = train_net(scoring, len(classes), args.batch_size, args.mirror)
    path = args.output / "train.prototxt"
    path.write_text(format_message(definition), encoding="utf-8")
    net = Model.load_caffe_model(path, None, phase="TRAIN")
    with watching(args.prototxt, curve=args.output / "curve.svg") as observers:
        estimator = CaffeEstimator(
            net,
            featuresCol="content",
            labelCol="label",
            validationFraction=args.held_out,
            metrics=["loss", "accuracy"],
            recipe=scoring.recipe(**({"resize": args.resize} if args.resize else {})),
            initialWeights=args.weights,
            freeze=args.freeze,
            learningRate=args.learning_rate,
            momentum=0.9,
            weightDecay=5e-4,
            batchSize=args.batch_size,
            maxEpochs=args.epochs,
            numWorkers=args.workers,
            seed=args.seed,
            predictionCol="prediction",
            observers=observers,
        )
        return estimator.fit(pictures), classes


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Give a trained Caffe net your own classes.")
    add = parser.add_argument
    add("--prototxt", required=True, help="its deploy.prototxt or train_val.prototxt")
    add("--weights", required=True, help="its caffemodel")
    add("--images", required=True, help="folder with a folder of pictures for each class")
    add("--output", required=True, type=Path, help="folder for what comes of it")
    add("--freeze", nargs="*", default=[], help="layers that stay as they are: names, patterns")
    add("--input-shape", action="append", type=blob_shape, default=[], metavar="data=1,3,227,227")
    add("--resize", type=size, help="size to crop from, as 256x256; the net's own by default")
    add("--mirror", action="store_true", help="turn one picture in two left to right")
    add("--workers", type=positive, default=1)
    add("--batch-size", type=positive, default=32, help="pictures of all workers together")
    add("--epochs", type=positive, default=10)
    add("--learning-rate", type=float, default=0.001)
    add("--held-out", type=float, default=0.2, help="share of the pictures to test with")
    add("--seed", type=int, default=1)
    return parser


def main(words: list[str] | None = None) -> None:
    args = arguments().parse_args(words)
    args.output.mkdir(parents=True, exist_ok=True)
    with command_session("fine-tune", None) as spark:
        fitted, classes = fine_tune(args, sources.image_folder(spark, args.images))
    assert fitted.model is not None
    assert fitted.history is not None
    files = args.output / "deploy.prototxt", args.output / "net.caffemodel"
    fitted.model.save_caffe(*files, overwrite=True, deploy=True)
    (args.output / "classes.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    tests = fitted.history.tests[0].columns()
    print(f"accuracy {tests['accuracy'][-1]:.1%} on the pictures held out; wrote {args.output}")


if __name__ == "__main__":
    try:
        main()
    except CaffeError as error:
        raise SystemExit(f"fine_tune: {error}") from None
