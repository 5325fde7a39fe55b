//! The harness does what its names say: a fault test proves nothing when its fault did not happen.

use std::time::Duration;

use cofferdam_e2e::rpc::{hex, quantity};
use cofferdam_e2e::{Anvil, Fault, Proxy, Receiver, Rpc, RpcError, wait};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

async fn node_and_proxy() -> (Anvil, Proxy, Rpc) {
    let anvil = Anvil::start().await;
    let proxy = Proxy::before(anvil.address()).await;
    let through = Rpc::new(proxy.address());
    (anvil, proxy, through)
}

#[tokio::test]
async fn a_proxy_without_rules_tells_the_truth() {
    let (anvil, proxy, through) = node_and_proxy().await;
    anvil.mine(3).await;
    assert_eq!(through.head().await, 3);
    assert_eq!(through.block(2).await, anvil.block(2).await);
    assert_eq!(proxy.requests("eth_blockNumber"), 1);
    let batch = json!([
        { "jsonrpc": "2.0", "id": 7, "method": "eth_blockNumber", "params": [] },
        { "jsonrpc": "2.0", "id": 8, "method": "eth_chainId", "params": [] },
    ]);
    let answers = through.forward(&batch).await.unwrap();
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(7), &json!(8)));
}

#[tokio::test]
async fn an_error_strikes_the_named_call_about_the_named_block_only() {
    let (anvil, proxy, through) = node_and_proxy().await;
    anvil.mine(3).await;
    let rule = proxy.inject(Fault::error().on("eth_getBlockReceipts").about("\"0x2\"").after(1).times(1));
    let receipts = |number: u64| through.try_call("eth_getBlockReceipts", json!([hex(number)]));
    assert!(receipts(2).await.is_ok(), "the first is let through");
    assert!(receipts(1).await.is_ok(), "another block");
    assert!(matches!(receipts(2).await, Err(RpcError::Refused(_))));
    assert!(receipts(2).await.is_ok(), "it struck once");
    assert_eq!(rule.hits(), 1);
}

#[tokio::test]
async fn a_hanging_endpoint_answers_nothing_until_it_is_lifted() {
    let (_anvil, proxy, through) = node_and_proxy().await;
    let mut rule = proxy.inject(Fault::Hang.on("*"));
    let call = tokio::spawn(async move { through.try_call("eth_chainId", json!([])).await });
    rule.struck(1).await;
    assert!(!call.is_finished());
    rule.lift();
    assert!(matches!(call.await.unwrap(), Err(RpcError::Transport(_))), "the connection ends without an answer");
}

#[tokio::test]
async fn a_fault_with_a_duration_ends_by_itself() {
    let (_anvil, proxy, through) = node_and_proxy().await;
    let rule = proxy.inject(Fault::Status(503).on_all_for(Duration::from_millis(300)));
    assert!(through.try_call("eth_chainId", json!([])).await.is_err());
    wait::until("the endpoint is well again", wait::PATIENCE, async || {
        through.try_call("eth_chainId", json!([])).await.ok()
    })
    .await;
    assert!(rule.hits() >= 1);
}

#[tokio::test]
async fn a_lagging_endpoint_hides_the_newest_blocks_everywhere() {
    let (anvil, proxy, through) = node_and_proxy().await;
    anvil.mine(5).await;
    proxy.inject(Fault::Lag(2).on("*"));
    assert_eq!(through.head().await, 3);
    let latest = through.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(quantity(&latest["number"]), 3);
    assert_eq!(through.block(4).await, Value::Null);
    let newest = anvil.block(5).await["hash"].clone();
    assert_eq!(through.call("eth_getBlockByHash", json!([newest, false])).await, Value::Null);
}

#[tokio::test]
async fn every_lie_reaches_the_client() {
    let (anvil, proxy, through) = node_and_proxy().await;
    anvil.mine(20).await;
    proxy.inject(Fault::other_chain(5).on("eth_chainId"));
    assert_eq!(through.call("eth_chainId", json!([])).await, json!("0x5"));

    let parent = proxy.inject(Fault::foreign_parent().on("eth_getBlockByNumber"));
    assert_ne!(through.block(20).await["parentHash"], anvil.block(20).await["parentHash"]);
    parent.lift();

    let decimal = proxy.inject(Fault::decimal("number").on("eth_getBlockByNumber"));
    assert_eq!(through.block(20).await["number"], json!("20"));
    decimal.lift();

    for fault in [Fault::NotJson, Fault::CutOff, Fault::Status(429)] {
        let rule = proxy.inject(fault.on("eth_blockNumber"));
        let answer = through.try_call("eth_blockNumber", json!([])).await;
        assert!(matches!(answer, Err(RpcError::Transport(_))), "{answer:?}");
        rule.lift();
    }
    proxy.inject(Fault::nothing().on("eth_blockNumber"));
    assert_eq!(through.call("eth_blockNumber", json!([])).await, Value::Null);
}

#[tokio::test]
async fn subscriptions_pass_and_their_notifications_can_be_struck() {
    let (anvil, proxy, _through) = node_and_proxy().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(proxy.ws()).await.unwrap();
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"] });
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    let mut next = async || -> Value {
        let message = socket.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    };
    assert!(next().await["result"].is_string());
    anvil.mine(1).await;
    let header = next().await["params"]["result"].clone();
    assert_eq!(quantity(&header["number"]), 1);
    anvil.mine(1).await;
    next().await;

    let lag = proxy.inject(Fault::Lag(1).on("*"));
    anvil.mine(1).await;
    let older = next().await["params"]["result"].clone();
    assert_eq!(quantity(&older["number"]), 2);
    lag.lift();

    proxy.inject(Fault::CutOff.on("eth_subscription"));
    anvil.mine(1).await;
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn notifications_can_be_doubled_and_exchanged() {
    let (anvil, proxy, _through) = node_and_proxy().await;
    let (mut socket, _) = tokio_tungstenite::connect_async(proxy.ws()).await.unwrap();
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"] });
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    let mut next = async || -> Value {
        let message = socket.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    };
    assert!(next().await["result"].is_string());
    let twice = proxy.inject(Fault::Twice.on("eth_sub*"));
    anvil.mine(1).await;
    assert_eq!(next().await, next().await);
    twice.lift();
    proxy.inject(Fault::Late.on("eth_subscription"));
    for number in [2, 3] {
        anvil.mine(1).await;
        assert_eq!(anvil.head().await, number);
    }
    let mut announced = async || quantity(&next().await["params"]["result"]["number"]);
    assert_eq!((announced().await, announced().await), (3, 2));
}

#[tokio::test]
async fn a_receiver_that_refuses_remembers_the_attempt() {
    let receiver = Receiver::start().await;
    let post = async || {
        let body = json!({ "id": "a" }).to_string();
        reqwest::Client::new().post(receiver.url()).header("X-Id", "1").body(body).send().await.unwrap().status()
    };
    receiver.refuse();
    assert_eq!(post().await, 503);
    receiver.accept();
    assert_eq!(post().await, 200);
    let taken = receiver.accepts("the message", |message| message["id"] == "a").await;
    assert_eq!(taken.headers["x-id"], "1");
    assert_eq!(receiver.attempts().len(), 2);
    assert_eq!(receiver.accepted().len(), 1);
}
