//! Lists: whoever walks one page by page sees each thing exactly once, and a cursor is good for nobody else.

use futures::future::join_all;
use rstest::{Context, rstest};
use serde_json::{Value, json};

use super::world;
use harness::client::Call;
use harness::identity::Principal;
use harness::world::{Stop, World};
use suites_integration::{Business, Gives as _, refused};

/// More than one page of the default size.
const MANY: usize = 27;
/// A walk of more pages goes in circles.
const MOST_PAGES: usize = 200;

/// The lists there are, with the member by which an item is known.
const LISTS: [(&str, &str); 4] =
    [("product-list", "id"), ("sale-list", "id"), ("member-list", "userId"), ("audit-list", "id")];

/// A tenant in which every list has more than one page.
async fn crowded(world: &World) -> Result<Business<'_>, Stop> {
    let acme = Business::open(world, "acme").await?;
    let more = (0..MANY).map(async |index| {
        let product = acme.product(&format!("product {index}"), 1).await?;
        acme.sell(&acme.owner, &product, 1).gives(201).await?;
        acme.member("viewer").await?;
        Ok::<_, Stop>(())
    });
    for made in join_all(more).await {
        made?;
    }
    Ok(acme)
}

/// Walks a list page by page; gives the items of each page.
async fn walk(page: impl Fn() -> Call) -> Result<Vec<Vec<Value>>, Stop> {
    let mut pages = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let call = cursor.iter().fold(page(), |call, cursor| call.query("cursor", cursor));
        let answer = call.gives(200).await?;
        pages.push(answer.array_at("/items")?);
        cursor = answer.json()["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(pages);
        }
        if pages.len() > MOST_PAGES {
            return Err(Stop::fail(format!("an end of the list, found none after {MOST_PAGES} pages")));
        }
    }
}

#[rstest]
#[case::one(Some(1))]
#[case::three(Some(3))]
#[case::as_many_as_it_likes(None)]
#[case::a_hundred(Some(100))]
fn a_list_walked_page_by_page_shows_everything_once(
    #[context] context: Context,
    #[case] limit: Option<usize>,
) {
    world(&context).tell(async |world| {
        let acme = crowded(world).await?;
        for (operation, id) in LISTS.into_iter().chain([("forecast-list", "month")]) {
            let page = || {
                let call = acme.owner(operation);
                limit.iter().fold(call, |call, limit| call.query("limit", limit))
            };
            let pages = walk(page).await?;
            let size = limit.unwrap_or(25);
            let (last, full) = pages.split_last().ok_or_else(|| Stop::fail("a page"))?;
            world.must(full.iter().all(|page| page.len() == size), format!("full pages of {operation}"))?;
            world.must((1..=size).contains(&last.len()), format!("a last page of {operation}"))?;
            let items: Vec<&Value> = pages.iter().flatten().collect();
            world
                .must(items.len() >= MANY, format!("{MANY} or more in {operation}, found {}", items.len()))?;
            let known = |item: &Value| format!("{} {}", item["productId"], item[id]);
            let mut once: Vec<String> = items.iter().map(|item| known(item)).collect();
            once.sort();
            once.dedup();
            world.equal(&format!("different items of {operation}"), once.len(), items.len())?;
        }
        Ok(())
    });
}

#[rstest]
fn what_stays_is_seen_once_while_others_come_and_go(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = crowded(world).await?;
        let stays = acme.names_seen_by(&acme.owner).await?;
        let walking = walk(|| acme.owner("product-list").query("limit", &2));
        let coming = async {
            for index in 0..12 {
                let passing = acme.product(&format!("passing {index}"), 1).await?;
                let product = harness::contract::SlotKind::Product;
                acme.owner("product-delete").slot(product, &passing).gives(204).await?;
            }
            Ok::<_, Stop>(())
        };
        let (pages, come) = futures::join!(walking, coming);
        come?;
        let pages = pages?;
        let names = pages.iter().flatten().filter_map(|item| item["name"].as_str());
        let mut seen: Vec<String> =
            names.filter(|name| !name.starts_with("passing")).map(str::to_owned).collect();
        seen.sort();
        world.equal("what stays", seen, stays)
    });
}

#[rstest]
fn a_cursor_is_good_for_its_list_its_tenant_and_its_reader_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = crowded(world).await?;
        let globex = Business::open(world, "globex").await?;
        let both = globex.join(&acme.owner, "owner").await?;
        for _ in 0..3 {
            globex.product("reactor", 1).await?;
        }
        for (operation, _) in LISTS {
            let first = acme.by(&both, operation).query("limit", &2).gives(200).await?;
            let cursor = first.text_at("/nextCursor")?;
            let ask = |business: &Business<'_>, who: &Principal, list: &str, cursor: &str| {
                business.by(who, list).query("limit", &2).query("cursor", cursor)
            };
            ask(&acme, &both, operation, &cursor).gives(200).await?;
            let another = acme.member("admin").await?;
            let other_list = LISTS.into_iter().map(|(list, _)| list).find(|list| *list != operation);
            for call in [
                ask(&globex, &both, operation, &cursor),
                ask(&acme, &another, operation, &cursor),
                ask(&acme, &both, other_list.unwrap_or_default(), &cursor),
                ask(&acme, &both, operation, &cursor[1..]),
                ask(&acme, &both, operation, ""),
                ask(&acme, &both, operation, "' OR 1=1"),
            ] {
                refused(&call.send().await?, 400, "malformed-request")?;
            }
        }
        Ok(())
    });
}

#[rstest]
fn a_page_that_cannot_be_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for limit in ["0", "-1", "101", "ten", "1.5", "99999999999999999999"] {
            for (operation, _) in LISTS {
                world.step(&format!("{operation} by {limit}"));
                let answer = acme.owner(operation).query("limit", limit).send().await?;
                refused(&answer, 400, "malformed-request")?;
            }
        }
        Ok(())
    });
}

#[rstest]
fn a_limit_given_twice_is_refused(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        let twice = acme.owner("product-list").query("limit", &1).query("limit", &2);
        refused(&twice.send().await?, 400, "malformed-request")
    });
}

#[rstest]
fn an_empty_list_has_no_next_page(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Business::open(world, "acme").await?;
        for operation in ["product-list", "sale-list", "forecast-list"] {
            let body = acme.owner(operation).gives(200).await?.json();
            let events = body["items"].as_array().map_or(0, Vec::len);
            world.equal(operation, (events, body.get("nextCursor").cloned()), (0, None))?;
        }
        let body = acme.owner("member-list").gives(200).await?.json();
        world.equal("members", &body["items"][0]["role"], &json!("owner"))
    });
}
