# SPDX-License-Identifier: Apache-2.0
"""TCP links that can be cut: small proxies on loopback, all on one thread.

What is sent over a cut link is not lost but held until the link is whole again, the end of a
connection too, as TCP does when a network is away for a while; new connections are taken, and
nobody answers. A link may be cut in one direction only, and for one sender only: who a connection
comes from is taken from the client id in its first request.
"""

import asyncio
import threading

TO_SERVER, FROM_SERVER = 0, 1
CHUNK_BYTES = 65536
CLIENT_ID_AT = 12  # in a frame: after its size, the key, the version, the correlation id
START_TIMEOUT_S = 10


class Links:
    """The thread; `open` makes a link."""

    def __init__(self):
        self.all = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def open(self, server_port, name_of=None):
        """name_of(client id) -> whom `Link.cut` knows that sender as; without it all are alike."""
        link = Link(self, server_port, name_of)
        asyncio.run_coroutine_threadsafe(link.listen(), self.loop).result(START_TIMEOUT_S)
        self.all.append(link)
        return link

    def close(self):
        asyncio.run_coroutine_threadsafe(self.end_tasks(), self.loop).result(START_TIMEOUT_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def end_tasks(self):
        for link in self.all:
            link.server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def client_id(data):
    """Of the request that begins here; None: there is none."""
    length = int.from_bytes(data[CLIENT_ID_AT:CLIENT_ID_AT + 2], "big", signed=True)
    return data[CLIENT_ID_AT + 2:CLIENT_ID_AT + 2 + length].decode() if length >= 0 else None


class Link:
    """`address` leads to the server's port. All but `cut` and `mend` runs on the thread of links."""

    def __init__(self, links, server_port, name_of):
        self.loop = links.loop
        self.server_port = server_port
        self.name_of = name_of
        self.cuts = set()  # (sender or None for all, direction)
        self.changed = None  # An asyncio.Condition; made on the thread, which it belongs to.
        self.server = None
        self.address = None

    async def listen(self):
        self.changed = asyncio.Condition()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]

    def cut(self, directions=(TO_SERVER, FROM_SERVER), sender=None):
        self.change({(sender, direction) for direction in directions})

    def mend(self):
        self.change(set())

    def change(self, cuts):
        asyncio.run_coroutine_threadsafe(self.set_cuts(cuts), self.loop).result(START_TIMEOUT_S)

    async def set_cuts(self, cuts):
        async with self.changed:
            self.cuts = cuts
            self.changed.notify_all()

    def is_cut(self, sender, direction):
        return (None, direction) in self.cuts or (sender, direction) in self.cuts

    async def await_whole(self, sender, direction):
        if self.is_cut(sender, direction):
            async with self.changed:
                await self.changed.wait_for(lambda: not self.is_cut(sender, direction))

    async def serve(self, reader, writer):
        server_writer = None
        try:
            first = await reader.read(CHUNK_BYTES)
            sender = self.name_of(client_id(first)) if self.name_of and first else None
            await self.await_whole(sender, TO_SERVER)
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1",
                                                                         self.server_port)
            server_writer.write(first)
            await self.join((reader, writer), (server_reader, server_writer), sender)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            if server_writer:
                server_writer.transport.abort()

    async def join(self, client, server, sender):
        """Until one of the two ends has gone."""
        pumps = [asyncio.ensure_future(self.pump(client[0], server[1], sender, TO_SERVER)),
                 asyncio.ensure_future(self.pump(server[0], client[1], sender, FROM_SERVER))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()

    async def pump(self, reader, writer, sender, direction):
        try:
            while True:
                data = await reader.read(CHUNK_BYTES)
                await self.await_whole(sender, direction)
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return
