# SPDX-License-Identifier: Apache-2.0
"""TCP links that can be cut: small proxies on loopback, all on one thread.

What is sent over a cut link is not lost but held until the link is whole again, the end of a
connection too, as TCP does when a network is away for a while; new connections are taken, and
nobody answers. A link may be cut in one direction only.
"""

import asyncio
import threading

TO_SERVER, FROM_SERVER = 0, 1
CHUNK_BYTES = 65536
START_TIMEOUT_S = 10


class Links:
    """The thread; `open` makes a link."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def open(self, server_port):
        link = Link(self, server_port)
        asyncio.run_coroutine_threadsafe(link.listen(), self.loop).result(START_TIMEOUT_S)
        return link

    def close(self):
        asyncio.run_coroutine_threadsafe(self.end_tasks(), self.loop).result(START_TIMEOUT_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def end_tasks(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Link:
    """`address` leads to the server's port. All but `cut` and `mend` runs on the thread of links."""

    def __init__(self, links, server_port):
        self.loop = links.loop
        self.server_port = server_port
        self.whole = []  # By direction; made on the thread, which they belong to.
        self.server = None
        self.address = None

    async def listen(self):
        self.whole = [asyncio.Event(), asyncio.Event()]
        for event in self.whole:
            event.set()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]

    def cut(self, directions=(TO_SERVER, FROM_SERVER)):
        for direction in directions:
            self.loop.call_soon_threadsafe(self.whole[direction].clear)

    def mend(self):
        for event in self.whole:
            self.loop.call_soon_threadsafe(event.set)

    async def serve(self, reader, writer):
        try:
            await self.whole[TO_SERVER].wait()
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1",
                                                                         self.server_port)
        except OSError:
            writer.transport.abort()
            return
        pumps = [asyncio.ensure_future(self.pump(reader, server_writer, TO_SERVER)),
                 asyncio.ensure_future(self.pump(server_reader, writer, FROM_SERVER))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            writer.transport.abort()
            server_writer.transport.abort()

    async def pump(self, reader, writer, direction):
        """Until one of the two ends has gone."""
        try:
            while True:
                data = await reader.read(CHUNK_BYTES)
                await self.whole[direction].wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return
