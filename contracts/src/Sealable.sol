// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @title A module that a guardian may seal and only a steward may open again.
/// @notice The guardian's key sits in a machine, so it can close and nothing else; opening takes people.
/// @dev Both roles are immutables, so behind a proxy they are part of the code and not of the storage: whoever takes
/// over an owner slot cannot open what the guardian has sealed.
abstract contract Sealable is Pausable {
    address private immutable _guardian;
    address private immutable _steward;

    /// @notice `caller` tried to seal and is not the guardian.
    error SealableNotGuardian(address caller);

    /// @notice `caller` tried to open and is not the steward.
    error SealableNotSteward(address caller);

    /// @notice A role was given to nobody.
    error SealableNoRole();

    /// @param guardian_ May seal.
    /// @param steward_ May open.
    constructor(address guardian_, address steward_) {
        if (guardian_ == address(0) || steward_ == address(0)) revert SealableNoRole();
        _guardian = guardian_;
        _steward = steward_;
    }

    /// @notice Seals the module. Guardian only.
    function pause() external {
        if (msg.sender != _guardian) revert SealableNotGuardian(msg.sender);
        _pause();
    }

    /// @notice Opens the module again. Steward only.
    function unpause() external {
        if (msg.sender != _steward) revert SealableNotSteward(msg.sender);
        _unpause();
    }

    /// @notice Who may seal.
    function guardian() external view returns (address) {
        return _guardian;
    }

    /// @notice Who may open.
    function steward() external view returns (address) {
        return _steward;
    }
}
