// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Sealable} from "./Sealable.sol";

/// @title A treasury's wallet, made to run behind a proxy.
/// @notice WRITTEN FOR DRILLS. The flaw: `initialise` may be called by anyone, at any time.
contract SharedWallet is Sealable, Ownable {
    /// @notice `from` sent `amount` wei.
    event WalletFunded(address indexed from, uint256 amount);

    /// @notice The owner sent `amount` wei to `to`.
    event WalletPaid(address indexed to, uint256 amount);

    /// @param guardian_ May seal.
    /// @param steward_ May open; also owns the implementation itself, which holds nothing.
    constructor(address guardian_, address steward_) Sealable(guardian_, steward_) Ownable(steward_) {}

    /// @notice Accepts ether, also while sealed: nothing can leave then.
    receive() external payable {
        emit WalletFunded(msg.sender, msg.value);
    }

    /// @notice Makes `newOwner` the owner.
    /// @dev The flaw of the drill: neither the caller nor an earlier initialisation is looked at.
    function initialise(address newOwner) external whenNotPaused {
        _transferOwnership(newOwner);
    }

    /// @notice Sends `amount` wei to `to`. Owner only.
    function pay(address payable to, uint256 amount) external onlyOwner whenNotPaused {
        emit WalletPaid(to, amount);
        Address.sendValue(to, amount);
    }
}
