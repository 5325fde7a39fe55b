//! Messages reach real HTTP receivers: at least once, in order, signed, whatever the receiver answers meanwhile.

#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_incident::{DeliveryOptions, Outbox, OutboxError, Receiver, Secret, Shape, Store};
use cofferdam_types::primitives::B256;
use cofferdam_types::{Clock as _, Event, IncidentState, Level, OperatorAlert, PlanId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use support::{Desk, block, confirmed, draft, finding, mined, options, pending, sent, tx, withdrawn};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PLAN: PlanId = PlanId(B256::repeat_byte(0xaa));

/// What arrived, and what was answered.
#[derive(Debug)]
struct Arrival {
    answered: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Arrival {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    fn signature_is_right(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
        mac.update(format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body).as_bytes());
        self.headers["webhook-signature"] == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// A receiver that answers the n-th request (from 0) with `answer(n)`; `None` closes the connection without a word.
struct Hook {
    receiver: Receiver,
    arrivals: UnboundedReceiver<Arrival>,
}

impl Hook {
    async fn start(name: &str, answer: impl Fn(usize) -> Option<u16> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
        let (sender, arrivals) = unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, answer(number), &sender).await;
            }
        });
        let secret = Secret::parse(&format!("whsec_{KEY}")).unwrap();
        Self { receiver: Receiver { name: name.into(), url, secret, shape: Shape::Own }, arrivals }
    }

    /// Takes arrivals up to the one that `last` likes.
    async fn until(&mut self, last: impl Fn(&Arrival) -> bool) -> Vec<Arrival> {
        let mut taken = Vec::new();
        loop {
            let arrival = self.arrivals.recv().await.unwrap();
            assert!(arrival.signature_is_right());
            let done = last(&arrival);
            taken.push(arrival);
            if done {
                return taken;
            }
        }
    }
}

async fn serve(stream: TcpStream, answer: Option<u16>, arrivals: &UnboundedSender<Arrival>) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), HashMap::new());
    while stream.read_line(&mut line).await.unwrap() > 2 {
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    if let Some(code) = answer {
        let response = format!("HTTP/1.1 {code} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(response.as_bytes()).await.unwrap();
    }
    stream.shutdown().await.ok();
    let body = String::from_utf8(body).unwrap();
    arrivals.send(Arrival { answered: answer.unwrap_or(0), headers, body }).ok();
}

/// An outbox at work, until it is stopped.
struct Working {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Working {
    fn start(store: &Arc<Store>, receivers: Vec<Receiver>) -> Self {
        let quick = DeliveryOptions {
            first_retry: Duration::from_millis(1),
            longest_retry: Duration::from_millis(4),
            look_again: Duration::from_millis(5),
            ..DeliveryOptions::default()
        };
        let outbox = Outbox::new(Arc::clone(store), receivers, quick).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        Self { stop, task: tokio::spawn(outbox.run(async move { drop(stopped.await) })) }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn alert(number: u8) -> Event {
    mined(finding(Level::Alert, "vault", tx(number)), block(number))
}

fn operator(detail: &str) -> Event {
    Event::Operator { alert: OperatorAlert::HeadsDisagree { detail: detail.into() } }
}

#[tokio::test]
async fn a_receiver_that_fails_for_a_while_gets_everything_in_order_and_twice_only_under_the_same_id() {
    let desk = Desk::new();
    let mut hook =
        Hook::start("first", |number| if number < 7 { [Some(503), None, Some(429)][number % 3] } else { Some(200) })
            .await;
    desk.put(alert(1));
    let working = Working::start(&desk.store, vec![hook.receiver.clone()]);
    for number in 2..=5 {
        desk.put(alert(number));
    }
    desk.put(operator("last"));
    let arrivals = hook.until(|arrival| arrival.answered == 200 && arrival.kind() == "operator.alert").await;
    working.stop().await;

    let mut bodies: HashMap<&str, &str> = HashMap::new();
    for arrival in &arrivals {
        let body = bodies.entry(arrival.id()).or_insert(&arrival.body);
        assert_eq!(*body, arrival.body, "one id, one message");
    }
    let delivered: Vec<_> = arrivals.iter().filter(|arrival| arrival.answered == 200).collect();
    assert_eq!(delivered.len(), 7);
    let sequences: Vec<_> = delivered.iter().map(|arrival| arrival.json()["data"]["sequence"].as_u64()).collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
    assert_eq!(bodies.len(), 7);
}

#[tokio::test]
async fn what_a_person_did_beside_the_guard_is_told_too() {
    let desk = Desk::new();
    let mut hook = Hook::start("first", |_| Some(200)).await;
    let incident = desk.put(alert(1)).unwrap();
    let working = Working::start(&desk.store, vec![hook.receiver.clone()]);
    let guest = Store::open_beside(&desk.path(), desk.clock.clone()).unwrap();
    guest.change_state(&incident, IncidentState::Closed, "false alarm").unwrap();
    let arrivals = hook.until(|arrival| arrival.kind() == "incident.closed").await;
    working.stop().await;
    assert_eq!(arrivals.len(), 3, "found, rated, closed");
}

#[tokio::test]
async fn what_was_not_delivered_before_a_restart_is_delivered_after_it() {
    let desk = Desk::new();
    let mut hook = Hook::start("first", |number| Some(if number < 3 { 503 } else { 200 })).await;
    let working = Working::start(&desk.store, vec![hook.receiver.clone()]);
    desk.put(alert(1));
    let before = hook.until(|_| true).await.remove(0);
    working.stop().await;
    let clock = Arc::clone(&desk.clock);
    let (_folder, path) = desk.close();

    let store = Arc::new(Store::open(&path, support::CHAIN, options(), clock).unwrap());
    let working = Working::start(&store, vec![hook.receiver.clone()]);
    let after = hook.until(|arrival| arrival.answered == 200).await.pop().unwrap();
    assert_eq!((after.id(), &after.body), (before.id(), &before.body));
    working.stop().await;
}

#[tokio::test]
async fn a_message_says_what_happened_and_holds_no_signed_transaction() {
    let desk = Desk::new();
    let mut hook = Hook::start("first", |_| Some(204)).await;
    let working = Working::start(&desk.store, vec![hook.receiver.clone()]);
    let attack = finding(Level::Stop, "vault", tx(1));
    let incident = desk.put(pending(attack.clone())).unwrap();
    let found = hook.until(|_| true).await.remove(0).json();
    assert_eq!(found["type"], "finding.stop");
    assert_eq!(found["timestamp"], "2026-11-23T04:05:06.789Z");
    assert_eq!(found["data"]["incident"], incident.0.as_str());
    assert_eq!(found["data"]["chain_id"], 1);
    let text = found["data"]["text"].as_str().unwrap();
    assert!(text.starts_with("stop on vault: half of the vault leaves") && text.contains("pending"), "{text}");

    desk.commit(vec![draft(PLAN, "vault", tx(1)), sent(PLAN, 5), sent(PLAN, 6), confirmed(PLAN)]);
    desk.commit(vec![mined(finding(Level::Notice, "vault", tx(9)), block(1)), withdrawn(&attack, None)]);
    let arrivals = hook.until(|arrival| arrival.kind() == "incident.closed").await;
    let kinds: Vec<_> = arrivals.iter().map(Arrival::kind).collect();
    let expected = [
        "incident.triaged",
        "incident.rated.high",
        "plan.sent",
        "plan.confirmed",
        "incident.contained",
        "finding.withdrawn",
        "incident.closed",
    ];
    assert_eq!(kinds, expected, "a re-pricing and a notice are not told");
    let sending = arrivals.iter().find(|arrival| arrival.kind() == "plan.sent").unwrap();
    assert!(sending.json()["data"]["event"]["step"]["raw"].is_null());
    let last = arrivals.last().unwrap().json();
    assert!(last["data"]["text"].as_str().unwrap().contains("still sealed"), "{last}");
    let verified = cofferdam_incident::verify(&desk.path(), None).unwrap();
    let noted: B256 = last["data"]["record_hash"].as_str().unwrap().parse().unwrap();
    assert_eq!(verified.head, noted);
    working.stop().await;
}

#[tokio::test]
async fn a_final_refusal_is_kept_visible_and_the_operator_told_through_the_others() {
    let desk = Desk::new();
    let mut strict = Hook::start("first", |number| Some(if number == 0 { 400 } else { 200 })).await;
    let mut other = Hook::start("second", |_| Some(200)).await;
    let working = Working::start(&desk.store, vec![strict.receiver.clone(), other.receiver.clone()]);
    desk.put(alert(1));
    let told = other.until(|arrival| arrival.kind() == "operator.alert").await.pop().unwrap().json();
    assert_eq!(told["data"]["event"]["alert"]["receiver"], "first");
    assert!(told["data"]["text"].as_str().unwrap().contains("400"), "{told}");
    desk.put(alert(2));
    let next = strict.until(|arrival| arrival.answered == 200).await.pop().unwrap();
    assert_eq!(next.kind(), "incident.rated.high", "it goes on, and is not told about itself");
    let letters = desk.store.dead_letters().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters.first().unwrap().reason, "it answered 400");
    working.stop().await;
}

/// Returns when `count` messages have been given up. A refusal has no announcement that a test could wait for.
async fn given_up(store: &Store, count: usize) {
    let all = async {
        while store.dead_letters().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
}

#[tokio::test]
async fn two_receivers_that_refuse_everything_do_not_feed_each_other() {
    let desk = Desk::new();
    let mut hooks = [Hook::start("first", |_| Some(401)).await, Hook::start("second", |_| Some(401)).await];
    let receivers = hooks.iter().map(|hook| hook.receiver.clone()).collect();
    let working = Working::start(&desk.store, receivers);
    desk.put(alert(1));
    for hook in &mut hooks {
        hook.until(|arrival| arrival.kind() == "operator.alert").await;
    }
    // Each refuses the alert and the news about the other; the news about itself it is not sent.
    given_up(&desk.store, 4).await;
    desk.put(operator("last"));
    for hook in &mut hooks {
        hook.until(|arrival| arrival.body.contains("last")).await;
    }
    given_up(&desk.store, 6).await;
    working.stop().await;
    let record = desk.store.export(None).unwrap();
    assert_eq!(record.iter().filter(|line| line.contains("\"undelivered\"")).count(), 2);
}

#[tokio::test]
async fn a_dead_receiver_delays_nobody_and_is_reported_once_when_it_is_late() {
    let desk = Desk::new();
    let dead = Hook::start("first", |_| None).await;
    let mut alive = Hook::start("second", |_| Some(200)).await;
    let working = Working::start(&desk.store, vec![dead.receiver.clone(), alive.receiver.clone()]);
    desk.put(alert(1));
    assert_eq!(alive.until(|_| true).await.remove(0).kind(), "finding.alert");
    desk.clock.advance(121_000);
    let late = alive.until(|arrival| arrival.kind() == "operator.alert").await.pop().unwrap();
    assert!(late.body.contains("waits since 121 s"), "{}", late.body);
    assert!(late.json()["data"]["event"]["alert"]["detail"].as_str().unwrap().contains("connection broke"));
    desk.put(alert(2));
    assert_eq!(alive.until(|_| true).await.remove(0).kind(), "finding.alert");
    working.stop().await;
    let record = desk.store.export(None).unwrap();
    assert_eq!(record.iter().filter(|line| line.contains("\"undelivered\"")).count(), 1);
    assert!(!record.iter().any(|line| line.contains("127.0.0.1")), "addresses may hold secrets");
}

#[test]
fn a_receiver_that_the_record_does_not_know_is_refused() {
    let desk = Desk::new();
    let secret = Secret::parse(&format!("whsec_{KEY}")).unwrap();
    let receiver =
        Receiver { name: "third".into(), url: "https://localhost/".parse().unwrap(), secret, shape: Shape::Own };
    let outbox = Outbox::new(Arc::clone(&desk.store), vec![receiver], DeliveryOptions::default());
    assert!(matches!(outbox.err(), Some(OutboxError::UnknownReceiver(name)) if name == "third"));
    assert_eq!(desk.clock.now(), support::START);
}

#[tokio::test]
async fn a_receiver_that_reads_forta_gets_findings_only_with_every_required_field() {
    let desk = Desk::new();
    let mut hook = Hook::start("first", |_| Some(200)).await;
    let receiver = Receiver { shape: Shape::Forta, ..hook.receiver.clone() };
    let working = Working::start(&desk.store, vec![receiver]);
    desk.put(operator("nothing that Forta has a word for"));
    desk.put(alert(1));
    desk.put(alert(2));
    let arrivals = hook.until(|arrival| arrival.json()["source"]["transactions"][0]["hash"] == tx(2).to_string()).await;
    working.stop().await;
    assert_eq!(arrivals.len(), 2);
    let first = arrivals.first().unwrap().json();
    for field in ["name", "description", "alertId", "protocol", "uniqueKey", "timestamp"] {
        assert!(!first[field].as_str().unwrap().is_empty(), "{field} in {first}");
    }
    let score: f64 = first["metadata"]["anomaly_score"].as_str().unwrap().parse().unwrap();
    assert!(score > 0.0 && score <= 1.0);
    assert_eq!(first["source"]["chains"][0]["chainId"], 1);
    assert!(first["type"] == 1 && first["severity"] == 4);
}
