// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Sealable} from "./Sealable.sol";

/// @title A sound ERC-4626 vault: the neighbour that must go on working while another module is sealed.
/// @dev While sealed, `max*` still name the amounts that would be possible without the seal.
contract SavingsVault is ERC4626, Sealable {
    /// @param asset_ The token that is saved.
    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(IERC20 asset_, address guardian_, address steward_)
        ERC20("Drill Savings", "dSAVE")
        ERC4626(asset_)
        Sealable(guardian_, steward_)
    {}

    /// @notice Assets that one whole share is worth, rounded down.
    function sharePrice() external view returns (uint256) {
        return convertToAssets(10 ** decimals());
    }

    /// @inheritdoc ERC4626
    function _deposit(address caller, address receiver, uint256 assets, uint256 shares)
        internal
        override
        whenNotPaused
    {
        super._deposit(caller, receiver, assets, shares);
    }

    /// @inheritdoc ERC4626
    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
        whenNotPaused
    {
        super._withdraw(caller, receiver, owner, assets, shares);
    }
}
