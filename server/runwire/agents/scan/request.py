"""What a scan is asked to do, checked before anything starts. Floor 4; pure."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from runwire.errors import InvalidInput
from runwire.protocol.json_schema import check_schema
from runwire.protocol.steps.shape import KeepLogs

MAX_ITEMS = 500
MAX_PAGES = 100
MAX_PARALLEL = 5
"""Most pages that one scan has open beside its listing: a Chromium page takes some 15 MB."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,39}$(?!\n)")]
Place = Annotated[
    str, Meta(min_length=1, max_length=300, description="CSS selector, with @name behind it for an attribute: a@href")
]


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of a number."""

    min: float | None = None
    max: float | None = None


class Judge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the site must be like. A rule that is not given is not judged."""

    min_items: Annotated[int, Meta(ge=0, le=MAX_ITEMS, description="least items that the listing has")] = 1
    required: Annotated[
        tuple[Name, ...], Meta(max_length=40, description="fields that every item has, and not empty")
    ] = ()
    numbers: Annotated[
        dict[Name, Span], Meta(max_length=20, description="fields that hold a number between these bounds")
    ] = {}
    unique: Annotated[tuple[Name, ...], Meta(max_length=20, description="fields that no two items share")] = ()
    max_failed: Annotated[int, Meta(ge=0, description="pages that may fail")] = 0


class ByModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model reads, in place of selectors."""

    schema: Annotated[dict[str, Any], Meta(description="JSON Schema of one item of the listing, an object")]
    hint: Annotated[str, Meta(max_length=2_000, description="what an item is, in words")] = ""
    link: Annotated[Name | None, Meta(description="property of it that holds the link to an item's page")] = None
    detail_schema: Annotated[
        dict[str, Any] | None, Meta(description="JSON Schema of what an item's own page says, an object; needs link")
    ] = None


class ScanRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A listing and what to read there."""

    url: Annotated[
        str, Meta(min_length=1, max_length=2_000, description="the listing; relative ones are the sample sites'")
    ]
    item: Annotated[str, Meta(max_length=300, description="CSS selector of one item")] = ""
    fields: Annotated[
        dict[Name, Place], Meta(max_length=20, description="what to read of each item on the listing")
    ] = {}
    by_model: Annotated[
        ByModel | None, Meta(description="has a model read the items, in place of item, fields, follow and detail")
    ] = None
    follow: Annotated[
        Place | None, Meta(description="the link from an item to its own page; without it only the listing is read")
    ] = None
    detail: Annotated[dict[Name, Place], Meta(max_length=20, description="what to read on an item's own page")] = {}
    next: Annotated[
        Place | None, Meta(description="the link to the listing's next page; without it the listing is one page")
    ] = None
    max_pages: Annotated[int, Meta(ge=1, le=MAX_PAGES, description="most pages of the listing, with next")] = 10
    keep_logs: Annotated[KeepLogs, Meta(description="whether console and network logs are kept as artifacts")] = (
        "on_failure"
    )
    video: Annotated[KeepLogs, Meta(description="whether what the pages show is kept as a video")] = "never"
    limit: Annotated[int, Meta(ge=1, le=MAX_ITEMS, description="most items")] = 50
    parallel: Annotated[int, Meta(ge=1, le=MAX_PARALLEL, description="pages of items that are open at once")] = 3
    judge: Judge = msgspec.field(default_factory=Judge)
    page_timeout_s: Annotated[float, Meta(gt=0, le=120, description="limit of one page, seconds")] = 15.0
    timeout_s: Annotated[float, Meta(gt=0, le=3_600, description="limit of the whole scan, seconds")] = 300.0

    @property
    def names(self) -> tuple[str, ...]:
        """What can be read of an item."""
        if self.by_model is None:
            return (*self.fields, *self.detail)
        return (*self.by_model.schema["properties"], *(self.by_model.detail_schema or {}).get("properties", {}))

    @property
    def follows(self) -> bool:
        """Whether items have pages of their own that are to be opened."""
        return self.follow is not None if self.by_model is None else self.by_model.detail_schema is not None


def parse_scan(value: Any) -> ScanRequest:
    """Return the scan that an input describes. Raises InvalidInput that names the member."""
    try:
        request = msgspec.convert(value, ScanRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"scan: {error}") from error
    try:
        urlsplit(request.url)
    except ValueError as error:
        raise InvalidInput(f"scan: url is no address: {error}") from error
    if request.by_model is None and not (request.item and request.fields):
        raise InvalidInput("scan: give item and fields, CSS selectors, or by_model, which has a model read the page")
    if request.by_model is not None:
        _check_by_model(request, request.by_model)
    if request.detail and request.follow is None:
        raise InvalidInput("scan: detail needs follow, the link to an item's own page")
    if twice := sorted(set(request.fields) & set(request.detail)):
        raise InvalidInput(f"scan: {twice[0]!r} stands in fields and in detail; give one another name")
    known = set(request.names)
    judge = request.judge
    for name in (*judge.required, *judge.numbers, *judge.unique):
        if name not in known:
            raise InvalidInput(f"scan: judge names {name!r}, which is no field; there are: {', '.join(sorted(known))}")
    return request


def _check_by_model(request: ScanRequest, what: ByModel) -> None:
    if request.item or request.fields or request.follow is not None or request.detail:
        raise InvalidInput("scan: by_model stands in place of item, fields, follow and detail; leave those out")
    for name, schema in (("schema", what.schema), ("detail_schema", what.detail_schema)):
        if schema is None:
            continue
        check_schema(schema)
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            raise InvalidInput(f"scan: by_model.{name} must be of the type object, with properties")
    if what.link is not None and what.link not in what.schema["properties"]:
        raise InvalidInput(f"scan: by_model.link names {what.link!r}, which is no property of the schema")
    if what.detail_schema is not None and what.link is None:
        raise InvalidInput("scan: by_model.detail_schema needs link, the property that leads to an item's own page")
    if what.detail_schema is not None:
        twice = sorted(set(what.schema["properties"]) & set(what.detail_schema["properties"]))
        if twice:
            raise InvalidInput(f"scan: {twice[0]!r} stands in schema and in detail_schema; give one another name")


def input_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scan."""
    schema = msgspec.json.schema(ScanRequest)
    parts = schema["$defs"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **parts.pop("ScanRequest"), "$defs": parts}
