// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Sealable} from "./Sealable.sol";

/// @title Keeps ether for depositors, and can be re-entered.
/// @notice WRITTEN FOR DRILLS. The flaw: `withdrawAll` pays out before it clears the balance.
contract EtherVault is Sealable {
    mapping(address account => uint256 amount) private _balances;
    uint256 private _totalDeposits;

    /// @notice `account` put in `amount` wei.
    event EtherVaultDeposited(address indexed account, uint256 amount);

    /// @notice `account` took out `amount` wei.
    event EtherVaultWithdrawn(address indexed account, uint256 amount);

    /// @notice `account` asked for `asked` wei and owns `owned`.
    error EtherVaultBalanceTooLow(address account, uint256 asked, uint256 owned);

    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(address guardian_, address steward_) Sealable(guardian_, steward_) {}

    /// @notice Credits the caller with the ether sent along.
    function deposit() external payable whenNotPaused {
        _balances[msg.sender] += msg.value;
        _totalDeposits += msg.value;
        emit EtherVaultDeposited(msg.sender, msg.value);
    }

    /// @notice Pays `amount` wei of the caller's balance to the caller. Sound: the balance is lowered first.
    function withdraw(uint256 amount) external whenNotPaused {
        uint256 owned = _balances[msg.sender];
        if (amount > owned) revert EtherVaultBalanceTooLow(msg.sender, amount, owned);
        _balances[msg.sender] = owned - amount;
        _totalDeposits -= amount;
        emit EtherVaultWithdrawn(msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    /// @notice Pays the caller's whole balance to the caller.
    /// @dev The flaw of the drill: the balance still stands while the caller's code runs.
    function withdrawAll() external whenNotPaused {
        uint256 amount = _balances[msg.sender];
        if (amount == 0) revert EtherVaultBalanceTooLow(msg.sender, 1, 0);
        Address.sendValue(payable(msg.sender), amount);
        _totalDeposits -= _balances[msg.sender];
        _balances[msg.sender] = 0;
        emit EtherVaultWithdrawn(msg.sender, amount);
    }

    /// @notice What `account` may withdraw, in wei.
    function balanceOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    /// @notice The sum of all balances, in wei.
    function totalDeposits() external view returns (uint256) {
        return _totalDeposits;
    }

    /// @notice Ether held per ether owed, in basis points, rounded down; 10,000 when nothing is owed.
    function backingBps() external view returns (uint256) {
        return _totalDeposits == 0 ? 10_000 : (address(this).balance * 10_000) / _totalDeposits;
    }
}
