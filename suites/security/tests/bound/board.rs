//! A made-up API of twelve routes that nobody annotated, with holes on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::badge;

/// What it gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    None,
    /// A board is deleted by whoever may delete boards somewhere.
    AnyBoard,
    /// A writer puts owners out.
    NoRank,
    /// Who is in a space is told to whoever is signed in.
    OpenList,
    /// A board is put wherever its maker says.
    AnySpace,
    /// The door opens to a badge that nobody signed.
    Unsigned,
    /// The door takes the published key for a secret.
    Confused,
}

#[derive(Debug, Default)]
struct Space {
    title: String,
    people: BTreeMap<String, String>,
    boards: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Rooms {
    /// Id and password by address.
    people: BTreeMap<String, (String, String)>,
    sessions: BTreeMap<String, String>,
    spaces: BTreeMap<String, Space>,
}

#[derive(Clone)]
struct Board {
    hole: Hole,
    state: Arc<Mutex<Rooms>>,
}

type Answer = Result<Response, StatusCode>;

const ABSENT: StatusCode = StatusCode::NOT_FOUND;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;

pub fn router(hole: Hole) -> Router {
    let board = Board { hole, state: Arc::default() };
    let routes = Router::new()
        .route("/register", post(register))
        .route("/session", post(sign_in))
        .route("/me", get(me))
        .route("/spaces", post(create))
        .route("/spaces/{space}", get(read).delete(end))
        .route("/spaces/{space}/people", get(people).post(let_in))
        .route("/spaces/{space}/people/{person}", delete(put_out))
        .route("/spaces/{space}/boards", get(boards).post(new_board))
        .route("/boards/{board}", delete(end_board))
        .route("/badge", get(give_badge))
        .route("/keys", get(|| async { Json(badge::keys()) }))
        .route("/door", get(door));
    Router::new().nest("/v2", routes).with_state(board).layer(map_response(careful))
}

/// What browsers and caches are told of every answer.
async fn careful(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    answer
}

fn text<'v>(body: &'v Value, name: &str) -> Result<&'v str, StatusCode> {
    body[name].as_str().filter(|text| !text.is_empty()).ok_or(StatusCode::UNPROCESSABLE_ENTITY)
}

impl Rooms {
    /// Who sends a request.
    fn caller(&self, headers: &HeaderMap) -> Result<String, StatusCode> {
        let cookie = headers.get("cookie").and_then(|cookie| cookie.to_str().ok());
        let session = cookie.and_then(|cookie| cookie.strip_prefix("sid="));
        session.and_then(|session| self.sessions.get(session)).cloned().ok_or(StatusCode::UNAUTHORIZED)
    }

    /// A space in which the caller holds one of these roles; to whoever is not in it, it is absent.
    fn space(&mut self, caller: &str, space: &str, roles: &[&str]) -> Result<&mut Space, StatusCode> {
        let space = self.spaces.get_mut(space).ok_or(ABSENT)?;
        let role = space.people.get(caller).ok_or(ABSENT)?;
        if roles.contains(&role.as_str()) { Ok(space) } else { Err(FORBIDDEN) }
    }

    fn session_of(&mut self, person: &str) -> String {
        let session = Uuid::new_v4().simple().to_string();
        self.sessions.insert(session.clone(), person.to_owned());
        format!("sid={session}; Path=/; HttpOnly")
    }
}

const EVERYONE: [&str; 3] = ["owner", "writer", "reader"];

async fn register(State(board): State<Board>, Json(body): Json<Value>) -> Answer {
    let mut state = board.state.lock().unwrap();
    let (mail, password) = (text(&body, "mail")?.to_owned(), text(&body, "password")?.to_owned());
    if state.people.contains_key(&mail) {
        return Err(StatusCode::CONFLICT);
    }
    let id = Uuid::new_v4().to_string();
    state.people.insert(mail, (id.clone(), password));
    Ok((StatusCode::CREATED, Json(json!({ "person": { "id": id } }))).into_response())
}

async fn sign_in(State(board): State<Board>, Json(body): Json<Value>) -> Answer {
    let mut state = board.state.lock().unwrap();
    let known = state.people.get(text(&body, "mail")?).cloned().ok_or(StatusCode::UNAUTHORIZED)?;
    if known.1 != text(&body, "password")? {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let cookie = state.session_of(&known.0);
    Ok(([("set-cookie", cookie)], Json(json!({ "ok": true }))).into_response())
}

async fn me(State(board): State<Board>, headers: HeaderMap) -> Answer {
    let id = board.state.lock().unwrap().caller(&headers)?;
    Ok(Json(json!({ "id": id })).into_response())
}

async fn give_badge(State(board): State<Board>, headers: HeaderMap) -> Answer {
    let id = board.state.lock().unwrap().caller(&headers)?;
    Ok(Json(json!({ "badge": badge::badge_of(&id) })).into_response())
}

async fn door(State(board): State<Board>, headers: HeaderMap) -> Answer {
    let badge = headers.get("x-badge").and_then(|badge| badge.to_str().ok()).unwrap_or_default();
    Ok(Json(json!({ "id": badge::holder(badge, board.hole)? })).into_response())
}

async fn create(State(board): State<Board>, headers: HeaderMap, Json(body): Json<Value>) -> Answer {
    let mut state = board.state.lock().unwrap();
    let owner = state.caller(&headers)?;
    let (id, title) = (Uuid::new_v4().to_string(), text(&body, "title")?.to_owned());
    let people = BTreeMap::from([(owner, "owner".to_owned())]);
    state.spaces.insert(id.clone(), Space { title, people, boards: BTreeMap::new() });
    Ok((StatusCode::CREATED, Json(json!({ "space": { "id": id } }))).into_response())
}

async fn read(State(board): State<Board>, Path(space): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let title = &state.space(&caller, &space, &EVERYONE)?.title;
    Ok(Json(json!({ "title": title })).into_response())
}

async fn end(State(board): State<Board>, Path(space): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    state.space(&caller, &space, &["owner"])?;
    state.spaces.remove(&space);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn people(State(board): State<Board>, Path(space): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let people = if board.hole == Hole::OpenList {
        &state.spaces.get(&space).ok_or(ABSENT)?.people
    } else {
        &state.space(&caller, &space, &EVERYONE)?.people
    };
    Ok(Json(json!({ "people": people })).into_response())
}

async fn let_in(
    State(board): State<Board>,
    Path(space): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let (person, role) = (text(&body, "person")?.to_owned(), text(&body, "role")?.to_owned());
    let known = state.people.values().any(|(id, _)| *id == person);
    let space = state.space(&caller, &space, &["owner"])?;
    if !known || !EVERYONE.contains(&role.as_str()) {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    space.people.insert(person, role);
    Ok(StatusCode::CREATED.into_response())
}

async fn put_out(
    State(board): State<Board>,
    Path((space, person)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let space = state.space(&caller, &space, &["owner", "writer"])?;
    let role = space.people.get(&person).ok_or(ABSENT)?;
    let rank = role != "owner" || space.people[&caller] == "owner";
    if !rank && board.hole != Hole::NoRank {
        return Err(FORBIDDEN);
    }
    space.people.remove(&person);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn boards(State(board): State<Board>, Path(space): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let boards = &state.space(&caller, &space, &EVERYONE)?.boards;
    Ok(Json(json!({ "boards": boards })).into_response())
}

async fn new_board(
    State(board): State<Board>,
    Path(space): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let title = text(&body, "title")?.to_owned();
    state.space(&caller, &space, &["owner", "writer"])?;
    let named = body["space"].as_str().filter(|_| board.hole == Hole::AnySpace);
    let space = named.map_or(space, str::to_owned);
    let id = Uuid::new_v4().to_string();
    state.spaces.get_mut(&space).ok_or(ABSENT)?.boards.insert(id.clone(), title);
    Ok((StatusCode::CREATED, Json(json!({ "board": { "id": id, "space": space } }))).into_response())
}

async fn end_board(State(board): State<Board>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = board.state.lock().unwrap();
    let caller = state.caller(&headers)?;
    let space = headers.get("x-space").and_then(|space| space.to_str().ok()).unwrap_or_default();
    state.space(&caller, space, &["owner", "writer"])?;
    let of_space = |(at, found): &(&String, &mut Space)| {
        found.boards.contains_key(&id) && (*at == space || board.hole == Hole::AnyBoard)
    };
    let (_, holder) = state.spaces.iter_mut().find(of_space).ok_or(ABSENT)?;
    holder.boards.remove(&id);
    Ok(StatusCode::NO_CONTENT.into_response())
}
