//! A `watch` that acts inside an envelope which a person and a contract have signed, until one of them ends it.

use cofferdam_e2e::vault::SECRET;
use cofferdam_e2e::{Acting, Ended, Link, Program, people};
use serde_json::{Value, json};

/// A signer that is a contract: it says by EIP-1271 that it signed, whatever it is asked, while its slot 0 is zero.
const CONTRACT: &str = "0x00000000000000000000000000000000000c0de1";
const SAYS_YES: &str = "0x600054601657631626ba7e60e01b60005260206000f35b60006000fd";
/// Contracts among the signers are asked again every so many blocks.
const ASKED_EVERY_BLOCKS: u32 = 5;

async fn run(scene: &Acting, line: &str) -> Ended {
    let environment = [("PAGER_SECRET", SECRET), ("GUARDIAN_KEY_FILE", "guardian.key")];
    let words: Vec<&str> = line.split(' ').collect();
    let ended = Program::start(scene.folder.path(), &words, &environment).ended().await;
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    ended
}

/// Replaces the limits by an envelope that both have signed.
async fn sign(scene: &Acting) {
    let folder = scene.folder.path();
    people::move_in(folder);
    scene.node.call("anvil_setCode", json!([CONTRACT, SAYS_YES])).await;
    let drafted = run(scene, "envelope new --protocol vaults --expires 4102444800").await.stdout;
    let terms = drafted.replace("max_actions = 1", "max_actions = 9").replace("cool_down_seconds = 3600", "");
    people::place(folder, "limits.toml", &terms);
    let file = folder.join("cofferdam.toml");
    let configuration = std::fs::read_to_string(&file).expect("the scene has a configuration");
    let signers = format!("[signers]\naccounts = [\"{}\", \"{CONTRACT}\"]\nthreshold = 2\n", people::ONE);
    people::place(folder, "cofferdam.toml", &format!("{configuration}{signers}"));
    run(scene, "envelope sign limits.toml --keystore one.json --password-file one").await;
    run(scene, &format!("envelope sign limits.toml --signature 0x01 --signer {CONTRACT} --contract")).await;
    run(scene, "envelope verify limits.toml").await;
}

async fn refused(scene: &Acting) -> String {
    let is_refusal = |message: &Value| message["type"] == "plan.refused";
    let told = scene.receiver.accepts("why nothing is sent", is_refusal).await;
    told.json["data"]["text"].as_str().expect("a message is in words").to_owned()
}

#[tokio::test]
async fn it_acts_while_the_signatures_stand_and_stops_at_the_word_of_one() {
    let scene = Acting::set(1, Link::WebSocket).await;
    sign(&scene).await;
    let program = scene.watch().await;
    let attack = scene.attack().await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.confirmed(pauses[0]).await;
    scene.reopen(&scene.vault()).await;

    run(&scene, "envelope revoke limits.toml --keystore one.json --password-file one").await;
    let changed = |message: &Value| message["data"]["event"]["alert"]["alert"] == "limits_changed";
    scene.receiver.accepts("the limits changed", changed).await;
    let second = scene.attack().await;
    scene.told(second, "pending").await;
    let text = refused(&scene).await;
    assert!(text.contains("revoked the limits"), "{text}");
    assert_eq!(scene.guardian_count("pending").await, 1, "the first pause and nothing else");

    // Whoever takes the revocation out of the file again brings nothing back.
    let file = scene.folder.path().join("limits.toml");
    let text = std::fs::read_to_string(&file).expect("the scene has limits");
    let terms = text.split("[revoked]").next().expect("the terms stand before");
    people::place(scene.folder.path(), "limits.toml", terms);
    let unusable = |message: &Value| message["data"]["event"]["alert"]["alert"] == "limits_unusable";
    scene.receiver.accepts("the envelope is not taken again", unusable).await;
    scene.settle(program).await;
}

#[tokio::test]
async fn a_contract_that_no_longer_says_yes_has_not_signed() {
    let scene = Acting::set(1, Link::Http).await;
    sign(&scene).await;
    let program = scene.watch().await;
    scene.node.call("anvil_setStorageAt", json!([CONTRACT, "0x0", format!("0x{:064x}", 1)])).await;
    for _ in 0..=ASKED_EVERY_BLOCKS {
        scene.mine().await;
    }
    let unready = |message: &Value| message["data"]["event"]["alert"]["alert"] == "lever_not_ready";
    let told = scene.receiver.accepts("the lever is not ready", unready).await.json;
    let text = told["data"]["text"].as_str().expect("a message is in words");
    assert!(text.contains("1 of 2 signatures"), "{text}");
    let attack = scene.attack().await;
    scene.told(attack, "pending").await;
    let text = refused(&scene).await;
    assert!(text.contains("1 of 2 signatures"), "{text}");
    assert_eq!(scene.guardian_count("pending").await, 0);
    scene.settle(program).await;
}
