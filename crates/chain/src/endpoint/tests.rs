//! Endpoints and the node over them, against toy servers.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use cofferdam_types::{ChainId, OperatorAlert};
use serde_json::json;

use crate::testing::{Reply, Toy, node_of};
use crate::{At, CallAnswer, ConnectError, Endpoint, EndpointOptions, Node, NodeOptions, RequestError, SendError};

fn told(node: &Node) -> Vec<String> {
    let alert = |alert| {
        if let OperatorAlert::Endpoint { name, detail } = alert {
            format!("{name}: {detail}")
        } else {
            format!("{alert:?}")
        }
    };
    node.alerts().drain().into_iter().map(alert).collect()
}

#[test]
fn an_address_that_cannot_be_used_is_one_error_without_the_address() {
    for (address, reason) in [
        ("ftp://user:verysecret@host/keykeykey", "its scheme is `ftp`"),
        ("http://[bad", "invalid IPv6 address"),
        ("ipc://", "it is empty"),
    ] {
        let error = Endpoint::new("main", address, EndpointOptions::default()).unwrap_err().to_string();
        assert!(error.contains("`main`") && error.contains(reason), "{error}");
        assert!(!error.contains("secret") && !error.contains("keykeykey"), "{error}");
    }
}

#[tokio::test]
async fn nobody_at_an_address_is_one_error_without_the_address() {
    for address in [
        "http://127.0.0.1:1/v2/0123456789abcdef",
        "wss://127.0.0.1:1/0123456789abcdef",
        "ws://127.0.0.1:1/v2/0123456789abcdef",
        "/no/such/socket",
    ] {
        let error = Endpoint::connect("main", address, EndpointOptions::default()).await.unwrap_err().to_string();
        assert!(error.contains("endpoint `main`"), "{error}");
        for secret in ["127.0.0.1", "0123456789abcdef", "/no/such"] {
            assert!(!error.contains(secret), "{error}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_refused_at_the_start() {
    let (ours, other) = (Toy::new(3), Toy::new(3));
    other.0.lock().unwrap().chain_id = 5;
    let endpoints = vec![ours.endpoint("a"), other.endpoint("b")];
    let error = Node::connect(endpoints, None, NodeOptions::default()).await.unwrap_err().to_string();
    assert_eq!(error, "endpoint `b` is on chain 5, expected chain 31337");
    let endpoints = vec![ours.endpoint("a")];
    let error = Node::connect(endpoints, Some(ChainId(1)), NodeOptions::default()).await.unwrap_err().to_string();
    assert_eq!(error, "endpoint `a` is on chain 31337, expected chain 1");
}

#[tokio::test]
async fn the_chain_is_asked_for_again_after_the_connection_broke() {
    let toy = Toy::new(3);
    let node = toy.node().await;
    toy.fault(|_, _| Some(Reply::Broken));
    assert!(matches!(node.head().await, Err(RequestError::Connection { .. })));
    toy.heal();
    toy.0.lock().unwrap().chain_id = 5;
    let error = node.head().await.unwrap_err().to_string();
    assert_eq!(error, "endpoint `a` is on chain 5, expected chain 31337");
    toy.0.lock().unwrap().chain_id = 31_337;
    assert_eq!(node.head().await.unwrap(), toy.head());
    let told = told(&node);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("a: demoted: ") && told[1] == "a: answers again", "{told:?}");
}

#[tokio::test]
async fn endpoints_need_names_of_their_own_and_at_least_one() {
    let toy = Toy::new(3);
    let twins = vec![toy.endpoint("a"), toy.endpoint("a")];
    assert!(matches!(Node::connect(twins, None, NodeOptions::default()).await, Err(ConnectError::SameName { .. })));
    assert!(matches!(Node::connect(vec![], None, NodeOptions::default()).await, Err(ConnectError::NoEndpoints)));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_at_the_start_is_told_and_joins_later() {
    let (down, up) = (Toy::new(3), Toy::new(3));
    down.fault(|_, _| Some(Reply::Hang));
    let node = node_of(&[&down, &up]).await;
    assert!(told(&node)[0].starts_with("a: not usable at the start: "));
    assert_eq!(node.head().await.unwrap(), up.head());
    assert_eq!(down.calls("eth_getBlockByNumber"), 0);
    down.heal();
    node.compare_heads().await;
    assert_eq!(told(&node), ["a: answers again"]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_endpoint_costs_one_limit_and_no_more() {
    let (slow, steady) = (Toy::new(3), Toy::new(3));
    let node = node_of(&[&slow, &steady]).await;
    slow.fault(|_, _| Some(Reply::Hang));
    let started = tokio::time::Instant::now();
    node.head().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 5);
    node.head().await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_revert_is_an_answer() {
    let toy = Toy::new(3);
    let node = toy.node().await;
    toy.fault(|method, _| (method == "eth_call").then_some(Reply::Error(3, "execution reverted: paused")));
    let answer = node.call(Address::ZERO, &Bytes::new(), At::Latest).await.unwrap();
    assert!(matches!(answer, CallAnswer::Reverted { message, .. } if message.contains("paused")));
    assert!(told(&node).is_empty());
}

#[tokio::test]
async fn state_is_asked_by_hash_and_by_number_where_the_node_is_old() {
    let toy = Toy::new(3);
    let node = toy.node().await;
    toy.fault(|method, params| match method {
        "eth_getBalance" if params[1].is_object() => {
            Some(Reply::Error(-32602, "invalid argument 1: hex string expected"))
        }
        "eth_getBalance" => Some(Reply::Result(json!("0x5"))),
        _ => None,
    });
    let at = toy.at(2);
    assert_eq!(node.balance(Address::ZERO, At::Block(at)).await.unwrap().to::<u64>(), 5);
    assert_eq!(node.balance(Address::ZERO, At::Block(at)).await.unwrap().to::<u64>(), 5);
    assert_eq!(toy.calls("eth_getBalance"), 3);
    toy.reorg(2, 2);
    let error = node.balance(Address::ZERO, At::Block(at)).await.unwrap_err().to_string();
    assert!(error.contains("does not have block 2"), "an answer about another block is no answer: {error}");
}

#[tokio::test]
async fn endpoints_on_different_branches_are_told_when_it_lasts() {
    let ours = Toy::new(10);
    let theirs = ours.copy();
    theirs.reorg(2, 2);
    let node = node_of(&[&ours, &theirs]).await;
    let comparison = node.compare_heads().await;
    let words = comparison.disagreement.unwrap();
    assert!(
        words.starts_with("at block 10 ") && words.contains("`a` has 0x") && words.contains("`b` has 0x"),
        "{words}"
    );
    assert!(told(&node).is_empty(), "a fork of a moment is normal");
    node.compare_heads().await;
    let alerts = node.alerts().drain();
    assert!(matches!(&alerts[..], [OperatorAlert::HeadsDisagree { .. }]), "nobody knows who lies: {alerts:?}");
    node.compare_heads().await;
    assert!(told(&node).is_empty(), "told once");
    *theirs.0.lock().unwrap() = std::mem::take(&mut *ours.copy().0.lock().unwrap());
    node.compare_heads().await;
    assert_eq!(told(&node), ["a, b: heads agree again"]);
}

#[tokio::test]
async fn the_smaller_party_is_demoted_and_comes_back() {
    let liar = Toy::new(10);
    let (one, two) = (liar.copy(), liar.copy());
    liar.reorg(1, 1);
    let node = node_of(&[&liar, &one, &two]).await;
    node.compare_heads().await;
    assert!(told(&node)[0].starts_with("a: demoted: is on a branch of its own"));
    assert_eq!(node.head().await.unwrap(), one.head());
    *liar.0.lock().unwrap() = std::mem::take(&mut *one.copy().0.lock().unwrap());
    node.compare_heads().await;
    assert_eq!(told(&node), ["a: agrees with the others again"]);
}

#[tokio::test]
async fn an_endpoint_that_lags_is_demoted_until_it_has_caught_up() {
    let late = Toy::new(10);
    let ahead = late.copy();
    ahead.mine(4);
    let node = node_of(&[&late, &ahead]).await;
    let comparison = node.compare_heads().await;
    assert_eq!(comparison.disagreement.unwrap(), "`a` lags 4 blocks behind head 14, allowed are 3");
    assert_eq!(told(&node), ["a: demoted: lags 4 blocks behind head 14, allowed are 3"]);
    assert_eq!(node.head().await.unwrap(), ahead.head());
    late.mine(1);
    node.compare_heads().await;
    assert_eq!(told(&node), ["a: agrees with the others again"]);
    assert_eq!(node.head().await.unwrap(), late.head());
}

#[tokio::test]
async fn what_one_endpoint_does_not_have_is_looked_for_at_the_others() {
    let late = Toy::new(10);
    let ahead = late.copy();
    ahead.mine(1);
    let node = node_of(&[&late, &ahead]).await;
    let block = node.block_by_hash(ahead.head().hash).await.unwrap().unwrap();
    assert_eq!(block.header.block_ref(), ahead.head());
    assert!(node.block_by_hash(B256::repeat_byte(1)).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_goes_to_every_endpoint_and_each_result_is_its_own() {
    let (takes, knows, hangs) = (Toy::new(3), Toy::new(3), Toy::new(3));
    let node = node_of(&[&takes, &knows, &hangs]).await;
    let raw = Bytes::from_static(b"signed");
    let hash = keccak256(&raw);
    takes.fault(move |_, _| Some(Reply::Result(json!(hash))));
    knows.fault(|_, _| Some(Reply::Error(-32000, "already known")));
    hangs.fault(|_, _| Some(Reply::Hang));
    let started = tokio::time::Instant::now();
    let results = node.broadcast(&raw).await;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    let names: Vec<&str> = results.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(matches!(results[0].1, Ok(seen) if seen == hash));
    assert!(matches!(results[1].1, Ok(seen) if seen == hash));
    assert!(matches!(results[2].1, Err(SendError::Request(RequestError::TimedOut { .. }))));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let toy = Toy::new(3);
    let client = alloy_rpc_client::RpcClient::new(toy.clone(), true);
    let options = EndpointOptions { max_answer_bytes: 500, ..EndpointOptions::default() };
    let endpoint = Endpoint::from_client_with("a", client, options);
    let node = Node::connect(vec![endpoint], None, NodeOptions::default()).await.unwrap();
    let error = node.head().await.unwrap_err().to_string();
    assert!(error.contains("bytes, expected at most 500"), "{error}");
}

/// A WebSocket server on a free port that answers every message with what `answer` makes of it.
async fn websocket(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    use futures_util::{SinkExt, StreamExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}/secretsecret", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if let Ok(text) = message.to_text()
                    && !text.is_empty()
                    && socket.send(answer(text).into()).await.is_err()
                {
                    break;
                }
            }
        }
    });
    address
}

fn reply(question: &str, result: &str) -> String {
    let question: serde_json::Value = serde_json::from_str(question).unwrap();
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, question["id"])
}

#[tokio::test]
async fn text_that_is_not_json_is_one_clear_error_over_websocket() {
    let address = websocket(|question| {
        if question.contains("eth_chainId") { reply(question, "\"0x1\"") } else { "<html>too many requests".to_owned() }
    });
    let endpoint = Endpoint::connect("main", &address.await, EndpointOptions::default()).await.unwrap();
    let node = Node::connect(vec![endpoint], None, NodeOptions::default()).await.unwrap();
    for _ in 0..2 {
        let error = node.head().await.unwrap_err().to_string();
        assert!(error.contains("endpoint `main`: malformed answer to `eth_getBlockByNumber`: "), "{error}");
        assert!(error.contains("seen `<html>too many requests`"), "{error}");
    }
}

#[tokio::test]
async fn a_websocket_endpoint_that_comes_back_as_another_chain_is_refused() {
    let turn = std::sync::atomic::AtomicU8::new(0);
    let address = websocket(move |question| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if question.contains("eth_chainId") {
            reply(question, if turn < 3 { "\"0x1\"" } else { "\"0x5\"" })
        } else {
            "?".to_owned()
        }
    });
    let endpoint = Endpoint::connect("main", &address.await, EndpointOptions::default()).await.unwrap();
    let node = Node::connect(vec![endpoint], None, NodeOptions::default()).await.unwrap();
    node.head().await.unwrap_err();
    assert!(matches!(node.head().await, Err(RequestError::WrongChain { seen: ChainId(5), .. })));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_over_websocket() {
    let long = format!("\"0x{}\"", "0".repeat(5_000));
    let address =
        websocket(move |question| reply(question, if question.contains("eth_chainId") { "\"0x1\"" } else { &long }));
    let options = EndpointOptions { max_answer_bytes: 1_000, ..EndpointOptions::default() };
    let endpoint = Endpoint::connect("main", &address.await, options).await.unwrap();
    let node = Node::connect(vec![endpoint], None, NodeOptions::default()).await.unwrap();
    let error = node.gas_price().await.unwrap_err().to_string();
    assert!(error.contains("endpoint `main`") && error.contains("1000"), "{error}");
}

#[tokio::test]
async fn http_errors_are_told_without_the_address() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (answer, expected) in [
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy", "status 503"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html",
            "expected a JSON-RPC answer, seen `<html`",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n{",
            "the connection broke while the answer was read",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "status 302",
        ),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/secretsecret", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = [0_u8; 4_096];
            let _ = stream.read(&mut question).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = Endpoint::connect("main", &address, EndpointOptions::default()).await.unwrap_err().to_string();
        assert!(error.contains("endpoint `main`") && error.contains(expected), "{error}");
        assert!(!error.contains("secretsecret") && !error.contains("127.0.0.1"), "{error}");
    }
}
