//! The text of a new envelope: the strictest terms for every lever, with remarks for whoever edits it.

use cofferdam_respond::Lever;
use cofferdam_types::LeverAction;

/// The draft, as TOML.
pub(super) fn draft(protocol: &str, chain_id: u64, serial: u64, expires: u64, levers: &[Lever]) -> String {
    let mut text = format!(
        "# What the machine may do alone. Edit, then let the signers read and sign it:\n\
         #   cofferdam envelope show FILE\n\
         #   cofferdam envelope sign FILE --keystore KEY --password-file PASSWORD\n\
         # Any change of a value below voids all signatures; remarks do not.\n\n\
         # The local switch. Not signed: whoever can write here may stop the machine, and cannot make it do more.\n\
         enabled = true\n\n\
         [envelope]\nprotocol = {}\nchain_id = {chain_id}\nserial = {serial}\n",
        toml::Value::String(protocol.to_owned())
    );
    for lever in levers {
        text.push_str(&entry(lever, expires));
    }
    text
}

fn entry(lever: &Lever, expires: u64) -> String {
    let LeverAction { target, calldata, .. } = lever.close();
    let selector: String = calldata.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "\n[[allow]]\n\
         lever = \"{name}\"\n\
         # The one call that may be made.\n\
         target = \"{target}\"\n\
         selector = \"0x{selector}\"\n\
         # What must have been found, and by a detector how far trusted.\n\
         min_level = \"stop\"\n\
         min_maturity = \"stable\"\n\
         only_broken_invariants = false\n\
         # A loss that must be reached, in the smallest unit: min_loss = [{{ token = \"0x...\", amount = \"1000000\" }}]\n\
         # How often, and how long people have to look at it.\n\
         max_actions = 1\n\
         window_seconds = 86400\n\
         cool_down_seconds = 3600\n\
         max_duration_seconds = 14400\n\
         expires_unix_seconds = {expires}\n\
         # What it may cost.\n\
         max_fee_per_gas_wei = \"500000000000\"\n\
         max_total_cost_wei = \"200000000000000000\"\n",
        name = lever.name(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use cofferdam_respond::LeverSettings;
    use cofferdam_respond::limits::Limits;

    use super::*;

    #[test]
    fn a_draft_can_be_read_back_and_names_the_call_of_each_lever() {
        let settings: LeverSettings = toml::from_str(
            "name = 'vault-pause'\nmodule = 'vault'\nguardian = 'machine'\n\
             target = '0x00000000000000000000000000000000000000AA'\n",
        )
        .unwrap();
        let text = draft("a \"quoted\" name\n[[allow]]", 1, 7, 4_000_000_000, &[Lever::new(&settings).unwrap()]);
        let limits = Limits::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let header = limits.envelope().unwrap().header();
        assert_eq!((header.chain_id, header.serial), (1, 7));
        assert_eq!(header.protocol, "a \"quoted\" name\n[[allow]]", "a name cannot smuggle terms in");
        let [allowance] = limits.allowances() else { panic!("{text}") };
        assert_eq!(allowance.target, Some(settings.target));
        assert_eq!(allowance.selector.unwrap().0, [0x84, 0x56, 0xcb, 0x59]);
    }
}
