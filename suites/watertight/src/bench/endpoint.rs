//! A target that costs nothing: one endpoint that answers every token with the same kilobyte, and says so in its contract.

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use harness::leak::random_code;
use serde_json::json;
use tokio::net::TcpListener;

use crate::error::CommandError;

/// Rows of an answer, which together are a kilobyte.
const ROWS: usize = 17;

/// Serves until whoever started the process closes its input, or is gone. The first line says where.
pub async fn serve() -> Result<(), CommandError> {
    let failed = |source| CommandError::Process { what: "the static endpoint".to_owned(), source };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    println!("{}", listener.local_addr().map_err(failed)?);
    let rows: Vec<_> = (0..ROWS).map(|_| json!({ "id": random_code(24), "name": random_code(16) })).collect();
    let body = json!({ "items": rows }).to_string();
    let document = document().to_string();
    let router = Router::new().route("/openapi.json", get(move || async move { answer(document) })).route(
        "/products",
        get(move |headers: HeaderMap| async move { products(headers.contains_key(AUTHORIZATION), body) }),
    );
    let closed = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served.map_err(failed),
        _ = closed => Ok(()),
    }
}

fn products(signed_in: bool, body: String) -> Response {
    if signed_in { answer(body) } else { StatusCode::UNAUTHORIZED.into_response() }
}

fn answer(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn document() -> serde_json::Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "static endpoint", "version": "1" },
        "paths": { "/products": { "get": {
            "operationId": "product-list",
            "x-permission": ["signed-in"],
            "x-effect": "read",
            "x-visibility": "public",
            "responses": { "200": { "description": "the same products, whoever asks" } },
        } } },
    })
}
