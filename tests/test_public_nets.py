"""Nearly every public net builds, and those that do not are known, each with its reason."""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import cache

import pytest

from bigdl_caffe import CaffeError, Model, ParseError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.phase import filter_layers
from bigdl_caffe.graph.slice import downstream
from bigdl_caffe.layers.assemble import Assembled
from bigdl_caffe.layers.registry import Registry, Role, registry, type_key
from bigdl_caffe.load import read_definition
from bigdl_caffe.weights.slots import plan_slots
from tests.paths import needs_prototxts
from tests.public_nets import ROOT, feed, fewer, files, load, name_of, states

pytestmark = [pytest.mark.slow, needs_prototxts]

NO_NETS = {
    "BVLC+caffe/refs_pull_216_head/examples/deepface/deepface_train": "a type that no Caffe had",
    "DeepScale+SqueezeNet/refs_pull_21_head/SqueezeNet_v1.1/deploy": "no layer makes conv10",
    "jolibrain+deepdetect/templates/caffe/deeplab_vgg16/deploy": "a template without num_output",
    "jolibrain+deepdetect/templates/caffe/enet/deploy": "a template without num_output",
    "rpn_deploy_faster_coco_air101-merge-fc2-multigrid": "scores for 9 of its 15 anchors",
}
"""Every file that does not build, and why no Caffe loads or runs it either."""

NOT_TRAINED = {
    "BVLC+caffe/refs_pull_1148_head/examples/parallel/imagenet": "a database for each GPU",
    "BVLC+caffe/refs_pull_2565_head/examples/elm/elm_classification_t": "LS takes a solver's place",
    "BVLC+caffe/refs_pull_3817_head/examples/mnist/lenet_wass": "needs a file of distances",
    "BVLC+caffe/refs_pull_601_head/examples/voc2012-spatial-pyramid": "no layer makes the label",
    "templates/caffe/crnn/crnn": "a template: 11 of its 91 classes",
    "templates/caffe/refinedet_vovnet27slim_512": "a template: 81 classes of 2",
}
"""What is only built for scoring."""

RUN = (
    "BVLC+caffe/refs_pull_1137_head/examples/mnist/mnist_kSAE",
    "BVLC+caffe/refs_pull_1271_head/examples/mnist/lenet_local_train_test",
    "BVLC+caffe/refs_pull_2033_head/examples/coco_caption/lstm_language_model",
    "BVLC+caffe/refs_pull_2364_head/examples/sparse_classification/train_val",
    "BVLC+caffe/refs_pull_2539_head/experiments/ar_autoencoder/final_doc_test",
    "BVLC+caffe/refs_pull_2539_head/experiments/size_encoding/defs/1024_encoded",
    "BVLC+caffe/refs_pull_2552_head/examples/triplet/mnist_triplet_train_test",
    "BVLC+caffe/refs_pull_3376_head/examples/deconv_deploy",
    "BVLC+caffe/refs_pull_4245_head/mnist_autoencoder_modified",
    "BVLC+caffe/refs_pull_4458_head/examples/cifar10/cifar10_full_network",
    "BVLC+caffe/refs_pull_5644_head/mnist_example/mnist_train_test",
    "BVLC+caffe/refs_pull_5779_head/models/IQA_CNN/train_val",
    "BVLC+caffe/refs_pull_5906_head/examples/mobilenet_ssd/MobileNetSSD_video_example",
    "BVLC+caffe/refs_pull_601_head/examples/voc2012-spatial-pyramid-pooling/"
    "spp_net_region_classifier_test",
    "BVLC+caffe/refs_pull_6354_head/examples/warpctc_captcha/crnn/crnn",
    "BVLC+caffe/refs_pull_6354_head/examples/warpctc_captcha/warpctc_lstm/lstm_ctc",
    "ShiqiYu+libfacedetection/refs_pull_101_head/models/caffe/yufacedetectnet-open-v1",
    "ShiqiYu+libfacedetection/refs_pull_101_head/models/caffe/yufacedetectnet-open-v1.train",
    "TimoSaemann+ENet/prototxts/enet_deploy_final",
    "TimoSaemann+ENet/prototxts/enet_train_encoder",
    "WeChatCV+opencv_3rdparty/detect",
    "WeChatCV+opencv_3rdparty/sr",
    "chuanqi305+MobileNetv2-SSDLite/ssdlite/coco/train",
    "eric612+MobileNet-YOLO/models/cityscapes/mobilenet_yolov3_train",
    "eric612+MobileNet-YOLO/models/darknet/darknet19_train",
    "eric612+MobileNet-YOLO/models/mobilenetv3_voc/train",
    "eric612+MobileNet-YOLO/refs_heads_detection_with_segmentation/models/yolov2/"
    "mobilenet_yolo_lite_deploy",
    "eric612+MobileNet-YOLO/refs_pull_149_head/models/mobilenetv3_voc/test",
    "happynear+FaceVerification/caffe_proto/mnist_siamese_train_test",
    "happynear+FaceVerification/dataset/Megaface/face_deploy_20",
    "hszhao+PSPNet/examples/pycaffe/linreg",
    "jolibrain+deepdetect/examples/graph/recurrent",
    "jolibrain+deepdetect/templates/caffe/crnn_se_resnet_50/deploy",
    "jolibrain+deepdetect/templates/caffe/shufflenet/deploy",
    "lsy17096535+face-landmark/train/landmark_train",
    "shicai+MobileNet-Caffe/refs_pull_72_head/mobilenet_train",
    "soeaver+caffe-model/det/faster_rcnn/models/pascal_voc/resnet18/faster_voc_resnet18-priv-merge",
    "soeaver+caffe-model/det/rfcn/models/coco/air101/rpn_rcnn_deploys/"
    "rcnn_deploy_rfcn_coco_air101-merge",
)
"""Light nets that have, together, nearly every layer type that a public net has."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep a failure readable: hundreds of files have fields that the schema does not know."""
    caplog.set_level(logging.ERROR, "bigdl_caffe")


@cache
def definitions() -> dict[str, pb.NetParameter]:
    """Return every net that a file holds; tests/format has those that are no text of one."""
    found = {}
    for path in files():
        try:
            found[name_of(path)] = read_definition(str(path))
        except ParseError:
            continue
        except CaffeError:
            found[name_of(path)] = pb.NetParameter()
    return found


def build(net: Assembled) -> None:
    """Plan the weights and make the modules; their memory, gigabytes in all, is not needed."""
    plan_slots(net.net, net.layers)
    for layer in net.layers:
        if layer.role is not Role.INPUT:
            layer.module([net.net.shapes[value] for value in layer.spec.reads])


def builds(name: str, definition: pb.NetParameter, phase: str, types: Registry) -> bool:
    """Whether some state of ``phase`` builds; anything raised but a CaffeError is a failure."""
    for state in states(name, definition, phase):
        try:
            build(load(name, definition, state, types))
        except CaffeError:
            continue
        except Exception as error:
            raise AssertionError(f"{name} ends in {error!r}") from error
        return True
    return False


def trains(name: str, definition: pb.NetParameter) -> bool:
    """Whether data are read in some state of the TRAIN phase."""
    return any(
        not layer.bottom and layer.type not in ("Input", "Parameter")
        for state in states(name, definition, "TRAIN")
        for layer in filter_layers(definition.layer, state)[0]
    )


def check(failed: Collection[str], named: Collection[str]) -> None:
    """Fail for a file that should not have failed, and for a name that stands for none."""
    assert [name for name in failed if not any(part in name for part in named)] == []
    assert [part for part in named if not any(part in name for name in failed)] == []


def test_public_nets_build() -> None:
    """In the phase that they are for, with weights planned and torch modules made."""
    types, nets = registry(), definitions()
    failed = [
        name
        for name, net in nets.items()
        if not any(builds(name, net, phase, types) for phase in ("TEST", "TRAIN"))
    ]
    check(failed, NO_NETS)
    assert len(failed) <= 0.01 * len(nets)
    assert len(nets) > 530


def test_public_nets_build_for_training() -> None:
    """With their losses, wherever the definition has data to train on."""
    types = registry()
    nets = {name: net for name, net in definitions().items() if trains(name, net)}
    failed = [name for name, net in nets.items() if not builds(name, net, "TRAIN", types)]
    known = [name for name in failed if any(part in name for part in NO_NETS)]
    check(set(failed) - set(known), NOT_TRAINED)
    assert len(nets) > 320


def started(name: str, phase: str) -> Model | None:
    """Return a model of the first state of ``phase`` that builds, on two images if it can be."""
    path, types = ROOT / f"{name}.prototxt", registry()
    definition = read_definition(str(path))
    for state in states(name, definition, phase):
        try:
            own = load(name, definition, state, types).net.inputs
        except CaffeError:
            continue
        how = {"phase": phase, "stages": state.stages}
        try:
            return Model.load_caffe_model(path, None, **how, input_shapes=fewer(own))
        except CaffeError:  # a Reshape or a recurrent layer may rely on the size of a batch
            return Model.load_caffe_model(path, None, **how, input_shapes=own)
    return None


def check_run(model: Model) -> None:
    """Run forwards, and backwards from the losses; compare shapes that the data do not decide."""
    module, inputs, types = model.to_torch(), feed(model.inputs), registry()
    if model.net.losses:
        module.loss(inputs).backward()
    tops = module(inputs, list(model.blob_shapes))
    open_ones = downstream(model.net.layers, lambda spec: types[type_key(spec)].dynamic)
    known = {blob: shape for blob, shape in model.blob_shapes.items() if blob not in open_ones}
    assert {blob: tuple(tops[blob].shape) for blob in known} == known


@pytest.mark.parametrize("name", RUN)
def test_public_nets_run_to_their_shapes(name: str) -> None:
    """With weights from their fillers, in each phase that they are for."""
    models = [model for phase in ("TEST", "TRAIN") if (model := started(name, phase))]
    assert models
    for model in models:
        check_run(model)
