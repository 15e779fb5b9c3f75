"""How a Pipecat agent tells calltrace of its calls: transcript, tools, times, and why a call ended.

    from observing import observe_with_calltrace

    async def bot(runner_args):
        roark = observe_with_calltrace(runner_args=runner_args, agent_id="reception")
        pipeline = Pipeline([..., transport.output(), roark.audio_processor, ...])
        worker = PipelineWorker(
            pipeline,
            observers=[roark],
            enable_tracing=True,
            conversation_id=roark.pipecat_call_id,  # the link of the call and its trace
        )
        ...
        await roark.aflush()  # after the run: waits until the end of the call was sent

It reads CALLTRACE_URL, CALLTRACE_API_KEY and SSL_CERT_FILE. calltrace keeps no audio: without
roark.audio_processor in the pipeline none is sent.
"""

import os

from pipecat_roark import RoarkObserver, client


def observe_with_calltrace(**options) -> RoarkObserver:
    # The package knows one address; its requests go to calltrace instead.
    url = f"{os.environ['CALLTRACE_URL']}/v1/integrations/pipecat"
    client.WEBHOOK_URL = url
    client.CHUNK_UPLOAD_URL_ENDPOINT = f"{url}/chunk-upload-url"
    return RoarkObserver(api_key=os.environ["CALLTRACE_API_KEY"], **options)
