"""uvicorn's server, which tells its application as soon as it begins to drain."""

import uvicorn

# In the state of the application's life: a function of no arguments, called then. Without it the
# application would hear of the end only once the last HTTP request is answered.
DRAIN = "goodserve.drain"


class DrainingServer(uvicorn.Server):
    """Lets the application end what it serves beside HTTP within the same grace."""

    async def main_loop(self) -> None:
        """Serve until the end begins, and say so."""
        await super().main_loop()
        drain = self.lifespan.state.get(DRAIN)
        if drain is not None:
            drain()
