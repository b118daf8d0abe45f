"""An answer made of buffers that other answers share: sent slice by slice, so that a slow client costs a slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

_SLICE: Final = 1 << 16  # asyncio's own mark: with more than this in its buffer a transport asks to wait


class Slices(web.StreamResponse):
    """A response whose body is some buffers in a row."""

    def __init__(self, buffers: Sequence[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self.content_length = sum(map(len, buffers))
        self._buffers = buffers

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers."""
        if request.method == hdrs.METH_HEAD:
            self._buffers = ()
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body, as fast as the client takes it."""
        for buffer in self._buffers:
            whole = memoryview(buffer)
            for start in range(0, len(whole), _SLICE):
                await self.write(whole[start : start + _SLICE])
        self._buffers = ()
        await super().write_eof(data)
