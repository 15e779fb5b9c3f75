"""How a LiveKit agent tells calltrace of its calls: transcript, tools, times, and why a call ended.

    from observing import observe_with_calltrace

    async def entrypoint(ctx: JobContext):
        await ctx.connect()
        session = AgentSession(...)
        await observe_with_calltrace(ctx, session, agent_id="reception")
        await session.start(...)

It reads CALLTRACE_URL, CALLTRACE_API_KEY and SSL_CERT_FILE. The call that it makes is linked by the
room's SID; the agent's traces come by tracing.py.
"""

import os

from roark_analytics_python_livekit import client, observe_session


async def observe_with_calltrace(ctx, session, **options):
    # The package knows one address; its requests go to calltrace instead.
    url = f"{os.environ['CALLTRACE_URL']}/v1/integrations/livekit-sdk"
    client.WEBHOOK_URL = url
    client.CHUNK_UPLOAD_URL_ENDPOINT = f"{url}/chunk-upload-url"
    # calltrace keeps no audio. Without capture_audio the package need not fit the framework's recorder.
    options.setdefault("capture_audio", False)
    return await observe_session(ctx, session, api_key=os.environ["CALLTRACE_API_KEY"], **options)
