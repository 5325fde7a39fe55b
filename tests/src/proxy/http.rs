//! The HTTP face of the proxy; a request to upgrade is handed to `websocket`.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::{Answer, Shared, websocket};

/// Larger than any request a client of a test makes.
const LARGEST_REQUEST: usize = 16 << 20;

pub(super) async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        return upgrade.on_upgrade(|socket| websocket::serve(shared, socket));
    }
    let Ok(body) = axum::body::to_bytes(body, LARGEST_REQUEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let Ok(message) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match shared.answer(&message).await {
        Answer::Text(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY).into_response(),
        Answer::CutOff => cut_off(),
    }
}

/// Begins an answer and breaks it: the server closes the connection when a body fails.
fn cut_off() -> Response {
    let begun = Ok(Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":"));
    let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
    Body::from_stream(stream::iter([begun, broken])).into_response()
}
