//! The disk of the record is full. A file system of its own is mounted for it, which takes root: without, this is said and
//! nothing is tested here (`crates/incident/tests/full_disk.rs` still tests the record at its own bound).

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use cofferdam_e2e::{Acting, Anvil, Link};
use serde_json::Value;

/// Four mebibytes in `disk/`; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(scene: &Acting) -> Option<Self> {
        let path = scene.folder.path().join("disk");
        fs::create_dir(&path).expect("there is room for a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&path).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }

    /// Somebody else's file takes all that is free.
    fn fill(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.join("hog")).expect("a file opens");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("hog")).expect("a file can be removed");
    }

    fn has_reserve(&self) -> bool {
        self.0.join("record.db.reserve").exists()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

/// One attack from the mempool to the word that it is contained.
async fn an_attack_is_contained(scene: &Acting) {
    let attack = scene.attack().await;
    scene.pauses_wait(1).await;
    let pauses = scene.contained(&[attack], 1).await;
    scene.told(attack, "pending").await;
    scene.confirmed(pauses[0]).await;
    scene.reopen(&scene.vault()).await;
}

#[tokio::test]
async fn on_a_full_disk_attacks_are_contained_from_the_space_set_aside_also_after_a_kill() {
    let scene = Acting::on(Anvil::start().await, 1, Link::Http, "disk/record.db").await;
    let Some(disk) = SmallDisk::mount(&scene) else {
        eprintln!("SKIPPED: a file system cannot be mounted here, so no disk can be filled");
        return;
    };
    let program = scene.watch().await;
    an_attack_is_contained(&scene).await;
    assert!(disk.has_reserve());

    disk.fill();
    an_attack_is_contained(&scene).await;
    let says_so = |message: &Value| message["data"]["event"]["alert"]["alert"] == "storage_full";
    scene.receiver.accepts("the disk is full", says_so).await;
    assert!(!disk.has_reserve());

    program.kill().await;
    let program = scene.watch().await;
    scene.deposit(&scene.vault(), scene.vault().user).await;
    an_attack_is_contained(&scene).await;

    disk.free();
    an_attack_is_contained(&scene).await;
    assert!(disk.has_reserve(), "space is set aside again");
    scene.settle(program).await;
}
