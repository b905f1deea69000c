"""From files to a net with weights: read, upgrade, filter, name, infer, build, fill."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import read_net, unknown_report
from bigdl_caffe.format.source import open_weights
from bigdl_caffe.graph.upgrade import upgrade
from bigdl_caffe.layers.assemble import Options, assemble
from bigdl_caffe.layers.registry import Layer, registry
from bigdl_caffe.model import Model
from bigdl_caffe.weights.fill import fill_table
from bigdl_caffe.weights.slots import plan_slots

log = logging.getLogger("bigdl_caffe")


def load(
    prototxt: str,
    caffemodel: str | None,
    options: Options,
    converters: Mapping[str, type[Layer]],
    strict: bool,
) -> Model:
    """Return the model of ``prototxt`` with the numbers of ``caffemodel``."""
    assembled = assemble(read_definition(prototxt), options, registry(converters))
    slots = plan_slots(assembled.net, assembled.layers)
    if caffemodel is None:
        table, report = fill_table(assembled.net, slots, None)
    else:
        with open_weights(caffemodel) as source:
            table, report = fill_table(assembled.net, slots, source, strict)
        if report.missing or report.unused or report.notes:
            log.warning("%s: %s", caffemodel, report)
    return Model(assembled, slots, table, options, converters, report, prototxt)


def read_definition(prototxt: str) -> pb.NetParameter:
    """Read a prototxt and return it in V2 terms; log what the schema does not know."""
    definition = read_net(prototxt)
    upgraded = upgrade(definition)
    for note in (*unknown_report(definition, prototxt), *upgraded.notes):
        log.warning("%s", note)
    return upgraded.net
