// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Sealable} from "./Sealable.sol";
import {TreasuryVault} from "./TreasuryVault.sol";

/// @title Works with what the vault hands it; runs behind an ERC-1967 proxy and is upgraded by its owner (UUPS).
/// @notice WRITTEN FOR DRILLS. Sound code; the weakness is that one key may exchange it without delay.
contract YieldStrategy is Sealable, Ownable, Initializable, UUPSUpgradeable {
    using SafeERC20 for IERC20;

    IERC20 private immutable _token;
    TreasuryVault private immutable _vault;
    address private _operator;

    /// @notice `operator` may move tokens between vault and strategy.
    event StrategyOperatorChanged(address indexed operator);

    /// @notice `caller` is not the operator.
    error StrategyNotOperator(address caller);

    modifier onlyOperator() {
        if (msg.sender != _operator) revert StrategyNotOperator(msg.sender);
        _;
    }

    /// @param token_ What is worked with.
    /// @param vault_ Where it comes from.
    /// @param guardian_ May seal, which also stops upgrades.
    /// @param steward_ May open; also owns the implementation itself, which holds nothing.
    constructor(IERC20 token_, TreasuryVault vault_, address guardian_, address steward_)
        Sealable(guardian_, steward_)
        Ownable(steward_)
    {
        _token = token_;
        _vault = vault_;
        _disableInitializers();
    }

    /// @notice Sets owner and operator, once.
    function initialise(address owner_, address operator_) external initializer {
        _transferOwnership(owner_);
        _operator = operator_;
        emit StrategyOperatorChanged(operator_);
    }

    /// @notice Draws `amount` from the vault. Operator only.
    function invest(uint256 amount) external onlyOperator whenNotPaused {
        _vault.draw(amount);
    }

    /// @notice Gives `amount` back to the vault. Operator only.
    function divest(uint256 amount) external onlyOperator whenNotPaused {
        _token.forceApprove(address(_vault), amount);
        _vault.giveBack(amount);
    }

    /// @notice Tokens held.
    function holdings() external view returns (uint256) {
        return _token.balanceOf(address(this));
    }

    /// @inheritdoc UUPSUpgradeable
    function _authorizeUpgrade(address) internal override onlyOwner whenNotPaused {}
}
