"""Answers the calls of the JVM: pulls them from its queue, runs them, and tells what they made."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark.sql import DataFrame

from bigdl_caffe.jvm.attach import session
from bigdl_caffe.jvm.call import Call
from bigdl_caffe.jvm.calls import CALLS
from bigdl_caffe.jvm.problems import caused, problem
from bigdl_caffe.model import Model

Models = dict[int, Model]

_THREADS = 64
"""Calls that can be at work at the same time; further ones wait."""


def answer_all(service: Any) -> None:
    """Answer the requests of ``service``, each in a thread, until there will be none any more.

    Parameters
    ----------
    service : JavaObject
        The JVM's bigdl_caffe.jvm.Service.
    """
    models: Models = {}
    threads, ids = ThreadPoolExecutor(_THREADS, "bigdl-caffe-jvm"), itertools.count()
    while (request := service.next()) is not None:
        for forgotten in iter(service.nextForgotten, -1):
            models.pop(forgotten, None)
        threads.submit(_answer, request, models, ids)
    threads.shutdown(wait=False, cancel_futures=True)  # nobody waits for their answers any more


def _answer(request: Any, models: Models, ids: Iterator[int]) -> None:
    try:
        request.begin()
        answer = CALLS[request.call()](_call(request, models))
        told = answer.json
        if answer.model is not None:
            told = {**(told or {}), "model": (new := next(ids))}
            models[new] = answer.model
        java = None if answer.frame is None else answer.frame._jdf
        request.succeed(json.dumps(told), java)
    except BaseException as error:  # whatever it is, it is the caller's, who waits for it
        request.fail(_told(error), caused(error))


def _told(error: BaseException) -> str:
    """Return JSON of an error, or of why there is none: its caller waits for an answer."""
    try:
        return json.dumps(problem(error))
    except Exception as untold:  # of a class of the user's, which can hold anything
        return json.dumps(problem(untold))


def _call(request: Any, models: Models) -> Call:
    told = json.loads(request.json())
    spark = None if (java := request.session()) is None else session(java)
    given = {name: models[key] for name, key in told["models"].items()}
    rows = {}
    if spark is not None:
        rows = {name: DataFrame(request.object(name), spark) for name in told["objects"]}
    return Call({**told["arguments"], **given, **rows}, spark)
