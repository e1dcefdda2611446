//! The web app: counts visits by client address in Redis and shows the counts. Each request opens its own
//! connection to Redis, so that each is a flow of its own on the wire.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use redis::{
    Client, Commands, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
};
use tokio::net::TcpListener;

/// How long a call to Redis may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The hash in Redis: a field for each client address, its value the number of visits.
const KEY: &str = "ip";

/// Serves HTTP on `listen` until the process is killed, with its data in the Redis at `store`.
///
/// # Errors
/// When `listen` cannot be bound.
pub fn serve(listen: SocketAddr, store: SocketAddr) -> anyhow::Result<()> {
    let address = ConnectionAddr::Tcp(store.ip().to_string(), store.port());
    // Without this the client library sends CLIENT SETINFO first; the wire must carry only the app's commands.
    let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    let store = address
        .into_connection_info()
        .map(|info| info.set_redis_settings(settings));
    let store = store
        .and_then(Client::open)
        .context("invalid address of Redis")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let app = Router::new()
            .route("/", get(page))
            .with_state(Arc::new(store));
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        axum::serve(
            listener,
            app.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await?;
        Ok(())
    })
}

async fn page(
    State(store): State<Arc<Client>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Result<Html<String>, (StatusCode, String)> {
    let counts = tokio::task::spawn_blocking(move || count(&store, client.ip())).await;
    match counts {
        Ok(Ok(counts)) => Ok(Html(render(&counts))),
        Ok(Err(error)) => Err((StatusCode::BAD_GATEWAY, format!("Redis: {error}\n"))),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
    }
}

/// `HINCRBY ip CLIENT 1`, then `HGETALL ip`.
fn count(store: &Client, client: IpAddr) -> RedisResult<BTreeMap<String, u64>> {
    let mut connection = store.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let _: u64 = connection.hincr(KEY, client.to_string(), 1)?;
    connection.hgetall(KEY)
}

fn render(counts: &BTreeMap<String, u64>) -> String {
    let mut rows = String::new();
    for (client, visits) in counts {
        // Escaped because the response of Redis crosses a wire on which others can write.
        let client = client.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(rows, "<tr><td>{client}</td><td>{visits}</td></tr>");
    }
    format!(
        "<!DOCTYPE html>\n<title>app1-web</title>\n<h1>Visits</h1>\n<table>\n\
         <tr><th>client</th><th>visits</th></tr>\n{rows}</table>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_shows_counts_and_no_markup_from_redis() {
        let page = render(&BTreeMap::from([
            ("10.0.1.9".to_owned(), 3),
            ("<script>&".to_owned(), 1),
        ]));
        assert!(page.contains("<td>10.0.1.9</td><td>3</td>"));
        assert!(page.contains("<td>&lt;script>&amp;</td>"));
    }
}
