"""A small net for each layer type of forks, which no golden net has: what it is given."""

from __future__ import annotations

import numpy as np

ROIS = np.array([[0, 0, 0, 4, 4], [1, 1, 2, 5, 5]], np.float32)
BOXES = np.array([[0, 1, 2, 30, 40, 1], [0, 5, 5, 20, 30, 2]], np.float32)[:, 1:]
SIZE = np.array([[48, 48, 1]], np.float32)
CLASSES = np.array([1, 0, 2], np.float32)
SIGNS = np.array([1, 0, 1], np.float32)
SIMILAR = np.array([1, 0, 0], np.float32)
FLAGS = np.array([[0, 0], [1, 0], [1, 1]], np.float32)
LABELS = np.array([[1, 2], [2, -1], [-1, -1]], np.float32)
PLACES = np.array([[[[0, 3]]]], np.float32)
MAP = np.array([[[[0, 1, 2], [1, 0, 2]]]], np.float32)

PROPOSAL = """proposal_param { feat_stride: 16 ratio: 0.5 ratio: 1 ratio: 2
    scale: 8 scale: 16 scale: 32 }"""
YOLO = "yolo_detection_output_param { num_classes: 2 num_box: 1 biases: 1 biases: 1 }"
MEANFIELD = """multi_stage_meanfield_param { theta_alpha: 5 theta_beta: 2 theta_gamma: 3
    num_iterations: 2 }"""

Given = tuple[str, list[object], int]
"""Options, bottoms (shapes of random numbers, or the numbers) and how many tops."""

EXPORTED: dict[str, Given] = {
    "ACCURACY_REGRESSION": ("", [(3, 4), (3, 4)], 1),
    "Axpy": ("", [(2, 3), (2, 3, 4, 5), (2, 3, 4, 5)], 1),
    "BN": ("", [(2, 3, 4, 5)], 1),
    "BoxAnnotatorOHEM": (
        "box_annotator_ohem_param { roi_per_img: 1 }",
        [(4, 5, 1, 1), (4, 1, 1, 1), (4, 1, 1, 1), (4, 8, 1, 1)],
        2,
    ),
    "CenterLoss": ("center_loss_param { num_output: 3 }", [(3, 4), CLASSES], 1),
    "ConfusionMatrix": ("", [(1, 3, 2, 3), MAP], 1),
    "ContinuationIndicator": ("continuation_indicator_param { time_step: 2 }", [(2, 3)], 1),
    "ConvolutionDepthwise": (
        "convolution_param { num_output: 3 kernel_size: 3 }",
        [(2, 3, 5, 6)],
        1,
    ),
    "CropCenter": (
        "crop_center_param { crop_size: 0 crop_size: 0 crop_size: 1 crop_size: 1 }",
        [(2, 3, 5, 6)],
        1,
    ),
    "DepthwiseConvolution": (
        "convolution_param { num_output: 3 group: 3 kernel_size: 3 }",
        [(2, 3, 5, 6)],
        1,
    ),
    "Flip": ("", [(2, 3, 4, 5)], 1),
    "Insanity": ("", [(2, 3, 4, 5)], 1),
    "Interp": ("interp_param { height: 7 width: 9 }", [(2, 3, 4, 5)], 1),
    "L1Loss": ("", [(3, 4), (3, 4)], 1),
    "LabelsequenceAccuracy": ("", [(2, 3, 4), np.ones((2, 3), np.float32)], 1),
    "Local": (
        "local_param { num_output: 2 kernel_size: 3 }",
        [(2, 3, 5, 6)],
        1,
    ),
    "LOCAL": (
        "local_param { num_output: 2 kernel_size: 3 }",
        [(2, 3, 5, 6)],
        1,
    ),
    "Lstm": ("lstm_param { num_output: 3 }", [(4, 2, 5)], 1),
    "PSROIPooling": (
        "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }",
        [(2, 4, 6, 6), ROIS],
        1,
    ),
    "PairwiseLoss": ("", [(3, 4), SIMILAR], 1),
    "QuantizationLoss": ("", [(3, 4)], 1),
    "ReLU6": ("", [(2, 3, 4, 5)], 1),
    "Region": ("region_param { classes: 2 coords: 4 num: 1 }", [(1, 7, 2, 2)], 1),
    "Reorg": ("reorg_param { stride: 2 }", [(1, 4, 4, 4)], 1),
    "Reverse": ("", [(4, 3)], 1),
    "SVRLoss": ("", [(3, 4), (3, 4)], 1),
    "SeLu": ("", [(2, 3, 4, 5)], 1),
    "SeLuDropout": ("", [(2, 3, 4, 5)], 1),
    "SegAccuracy": ("", [(1, 3, 2, 3), MAP], 1),
    "ShuffleChannel": ("shuffle_channel_param { group: 2 }", [(2, 4, 3, 3)], 1),
    "SimpleCrop": ("", [(1, 2, 4, 4), (1, 2, 3, 3)], 1),
    "SmoothL1LossOHEM": ("", [(3, 4)] * 3, 1),
    "SoftmaxWithLossOHEM": ("", [(3, 4), CLASSES], 1),
    "SparseInnerProduct": ("inner_product_param { num_output: 3 }", [(2, 4)], 1),
    "TOPK": ("topk_param { k: 2 a: 1 }", [(2, 6)], 1),
    "TopK": ("topk_param { k: 2 a: 1 }", [(2, 6)], 1),
    "Transpose": ("transpose_param { dim: 1 dim: 0 dim: 2 }", [(2, 3, 4)], 1),
    "TripletLoss": ("", [(5, 4), np.zeros((5, 1), np.float32)], 1),
    "Unpooling": ("pooling_param { kernel_size: 2 stride: 2 }", [(1, 1, 1, 2), PLACES], 1),
    "Upsample": ("upsample_param { scale: 2 }", [(1, 2, 3, 3)], 1),
    "XCovLoss": ("", [(3, 4), (3, 2)], 1),
}

REFUSED: dict[str, Given] = {
    "CTCLoss": ("", [(3, 2, 4), FLAGS, LABELS], 1),
    "CtcLoss": (
        "ctc_loss_param { alphabet_size: 4 time_step: 3 }",
        [(3, 2, 4), np.ones((2, 3), np.float32)],
        1,
    ),
    "MultiStageMeanfield": (MEANFIELD, [(1, 2, 4, 5), (1, 2, 4, 5), (1, 3, 4, 5)], 1),
    "Proposal": (PROPOSAL, [(1, 18, 2, 2), (1, 36, 2, 2), SIZE], 1),
    "ROIPooling": (
        "roi_pooling_param { pooled_h: 2 pooled_w: 2 }",
        [(2, 4, 6, 6), ROIS],
        1,
    ),
    "SpatialPyramidPooling": (
        "spatial_pyramid_pooling_param { spatial_bin: 1 spatial_bin: 2 }",
        [(2, 3, 5, 6)],
        1,
    ),
    "YoloDetectionOutput": (YOLO, [(1, 7, 2, 2)], 1),
    "Yolov3DetectionOutput": (
        """yolov3_detection_output_param { num_classes: 1 num_box: 1 biases: 1 biases: 1 mask: 0
    mask_group_num: 1 anchors_scale: 1 }""",
        [(1, 6, 2, 2)],
        1,
    ),
}
