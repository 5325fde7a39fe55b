//! A transport for alloy clients that calls the RPC module directly: drills need no port and no thread.

use std::task::{Context, Poll};

use alloy_json_rpc::{ErrorPayload, RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use jsonrpsee::Methods;
use tower::Service;

/// The module as an alloy transport.
#[derive(Clone, Debug)]
pub(crate) struct InProcess {
    methods: Methods,
}

impl InProcess {
    pub(crate) const fn new(methods: Methods) -> Self {
        Self { methods }
    }

    async fn answer(&self, request: &SerializedRequest) -> Result<Response, TransportError> {
        if request.method() == "eth_subscribe" {
            // A subscription accepted here would never deliver: the client must know and poll instead.
            let payload = ErrorPayload { code: -32_601, message: "notifications not supported".into(), data: None };
            return Ok(Response { id: request.id().clone(), payload: ResponsePayload::Failure(payload) });
        }
        let (answer, _) =
            self.methods.raw_json_request(request.serialized().get(), 1).await.map_err(TransportErrorKind::custom)?;
        serde_json::from_str(answer.get()).map_err(|error| TransportError::deser_err(error, answer.get()))
    }
}

impl Service<RequestPacket> for InProcess {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> TransportFut<'static> {
        let this = self.clone();
        Box::pin(async move {
            match packet {
                RequestPacket::Single(request) => this.answer(&request).await.map(ResponsePacket::Single),
                RequestPacket::Batch(requests) => {
                    let mut answers = Vec::with_capacity(requests.len());
                    for request in &requests {
                        answers.push(this.answer(request).await?);
                    }
                    Ok(ResponsePacket::Batch(answers))
                }
            }
        })
    }
}
